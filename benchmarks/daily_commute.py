"""Daily commute of a simulated car."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from simulator.vehicle.car import Car
from simulator.vehicle.schedule import DAY, Day, Drive

SAMPLE_SECONDS = 30.0  # seconds between two samples of the data's age
MINUTE = 60.0
HOUR = 60 * MINUTE

DRIVE_SECONDS = 25 * MINUTE
LEAVE_HOME_AT = 7.5 * HOUR
LEAVE_WORK_AT = 17.25 * HOUR
# Maximum deviation of the daily times, in both directions.
SPREAD = 25 * MINUTE
PLUG_IN_DELAY = 1 * MINUTE  # after arriving at home


class WorkState(StrEnum):
    """State of the car while it is parked at work."""

    GUARDED = "guarded"
    """Sentry mode keeps it online until the drive home."""

    SLEEPING = "sleeping"
    """It falls asleep, as at home."""


class Activity(StrEnum):
    """Activity of a car."""

    DRIVING = "driving"
    CHARGING = "charging"
    PARKED = "parked"
    ASLEEP = "asleep"


def random_day(random: Random) -> Day:
    """Return a day with two drives at random times and a charge."""
    leaves_home, leaves_work = (
        hour + random.uniform(-SPREAD, SPREAD)
        for hour in (LEAVE_HOME_AT, LEAVE_WORK_AT)
    )
    return Day(
        drives=(
            Drive(at=leaves_home, duration=DRIVE_SECONDS),
            Drive(at=leaves_work, duration=DRIVE_SECONDS),
        ),
        plug_in_at=leaves_work + DRIVE_SECONDS + PLUG_IN_DELAY,
    )


@dataclass(frozen=True, kw_only=True)
class Commuter:
    """A car that commutes to work, charges at home and sleeps at night."""

    car: Car
    work_state: WorkState

    def schedule(self, midnight: float, days: int, random: Random) -> None:
        """Schedule the given number of days from a midnight on."""
        self.car.set_connectivity("asleep")
        self.car.navigates = False
        self.car.set_schedule([random_day(random) for _ in range(days)], midnight)

    def update(self) -> Activity:
        """Update the car and return its current activity."""
        car = self.car
        car.advance()
        at_work = car.route is None and not car.at_home
        car.sentry_mode = at_work and self.work_state is WorkState.GUARDED
        if car.route is not None:
            return Activity.DRIVING
        if car.connectivity != "online":
            return Activity.ASLEEP
        return Activity.CHARGING if car.charging else Activity.PARKED


__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "SAMPLE_SECONDS",
    "Activity",
    "Commuter",
    "WorkState",
]
