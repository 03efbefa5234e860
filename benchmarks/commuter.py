"""What one ordinary car does, day after day."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from simulator.vehicle.car import Car
from simulator.vehicle.schedule import DAY, Day, Drive

LOOK = 30.0  # seconds between two looks at the car
MINUTE = 60.0
HOUR = 60 * MINUTE

TRIP = 25 * MINUTE
TO_WORK = 7.5 * HOUR
HOME_AGAIN = 17.25 * HOUR
# By how much the hours differ from day to day, either way.
SPREAD = 25 * MINUTE
PLUGS_IN = 1 * MINUTE  # after the car has come home


class Story(StrEnum):
    """What the car does while it is parked at work."""

    GUARDED = "guarded"
    """It is on guard (sentry mode), and so online until it drives home."""

    SLEEPING = "sleeping"
    """It falls asleep there, too."""


class Doing(StrEnum):
    """What a car does, as far as its data matter."""

    DRIVING = "driving"
    CHARGING = "charging"
    PARKED = "parked"
    ASLEEP = "asleep"


def ordinary_day(random: Random) -> Day:
    """Choose the hours of a day with two drives and a charge."""
    leaves, returns = (
        hour + random.uniform(-SPREAD, SPREAD) for hour in (TO_WORK, HOME_AGAIN)
    )
    return Day(
        drives=(Drive(at=leaves, duration=TRIP), Drive(at=returns, duration=TRIP)),
        plug_in_at=returns + TRIP + PLUGS_IN,
    )


@dataclass(frozen=True, kw_only=True)
class Commuter:
    """A car that is driven to work and back, charges at home, and sleeps at night."""

    car: Car
    story: Story

    def begin(self, midnight: float, days: int, random: Random) -> None:
        """Begin at a midnight, with so many days to live."""
        self.car.set_connectivity("asleep")
        self.car.set_schedule([ordinary_day(random) for _ in range(days)], midnight)

    def live(self) -> Doing:
        """Let the car do what is due, and say what it does now."""
        car = self.car
        car.advance()
        at_work = car.route is None and not car.at_home
        car.sentry_mode = at_work and self.story is Story.GUARDED
        if car.route is not None:
            return Doing.DRIVING
        if car.connectivity != "online":
            return Doing.ASLEEP
        return Doing.CHARGING if car.charging else Doing.PARKED


__all__ = ["DAY", "HOUR", "LOOK", "MINUTE", "Commuter", "Doing", "Story"]
