"""Daily schedules: drives, charging and sleep."""

from typing import Any

import aiohttp
import pytest

from simulator import Simulator
from simulator.http.control_api import ControlApi
from simulator.scenarios.conditions import ConditionError
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car
from simulator.vehicle.schedule import DAY, DEFAULT_DAY, Day, Drive, parse_days

from .conftest import Clock

MIDNIGHT = 1_637_280_000.0


@pytest.fixture
def car(clock: Clock) -> Car:
    return ordinary(clock)


def ordinary(clock: Clock, year: int = 2021) -> Car:
    clock.now = MIDNIGHT
    spec = CarSpec(name="Ada", model="model3", year=year)
    car = Car(spec, region="eu", get_time=clock)
    car.set_schedule([DEFAULT_DAY], MIDNIGHT)
    return car


def state(car: Car, clock: Clock, hours: float) -> tuple[str, str, str]:
    clock.now = MIDNIGHT + hours * 3600
    car.advance()
    place = {car.home_position: "home", car.work_position: "work"}.get(
        (car.latitude, car.longitude), "road"
    )
    doing = "charges" if car.charging else "stands" if car.speed is None else "drives"
    return car.connectivity, place, doing


MOMENTS = [
    (0.1, ("online", "home", "stands")),
    (0.5, ("asleep", "home", "stands")),
    (7.4, ("asleep", "home", "stands")),
    (7.75, ("online", "road", "drives")),
    (8.1, ("online", "work", "stands")),
    (8.5, ("asleep", "work", "stands")),
    (17.25, ("online", "road", "drives")),
    (17.7, ("online", "home", "stands")),
    (17.95, ("asleep", "home", "stands")),
    (18.25, ("online", "home", "charges")),
    (23.9, ("asleep", "home", "stands")),
    (24 + 7.75, ("online", "road", "drives")),
    (24 * 29 + 17.25, ("online", "road", "drives")),
    (24 * 29 + 23.9, ("asleep", "home", "stands")),
]


def test_a_month(car: Car, clock: Clock) -> None:
    seen = [(hours, state(car, clock, hours)) for hours, _ in MOMENTS]
    assert seen == MOMENTS


def test_the_schedule_is_independent_of_requests(car: Car, clock: Clock) -> None:
    watched = ordinary(clock)
    for minutes in range(0, 3 * 24 * 60, 5):
        state(watched, clock, minutes / 60)
    at_end = state(watched, clock, 72)
    assert state(car, clock, 72) == at_end
    assert car.odometer == pytest.approx(watched.odometer, rel=1e-6)
    assert car.battery_level == pytest.approx(watched.battery_level, abs=0.2)
    assert car.odometer - 12345.6 == pytest.approx(3 * 31 * 65 / 60, abs=1.0)
    assert car.battery_level == 80.0


def test_a_charge_replaces_the_energy_of_the_drives(car: Car, clock: Clock) -> None:
    state(car, clock, 24)
    assert car.battery_level == 80
    state(car, clock, 24 + 17.9)
    used = 31 * 65 / 60 / 310 * 100
    assert car.battery_level == pytest.approx(80 - used, abs=0.2)
    assert state(car, clock, 24 + 18.25)[2] == "charges"


@pytest.mark.parametrize(("year", "presence"), [(2018, "online"), (2022, "asleep")])
def test_reading_keeps_old_cars_awake(clock: Clock, year: int, presence: str) -> None:
    car = ordinary(clock, year)
    for minute in range(0, 60, 5):
        state(car, clock, minute / 60)
        if car.connectivity == "online":
            car.record_data_read()
    assert state(car, clock, 1.0)[0] == presence
    assert state(car, clock, 1.5)[0] == "asleep"


def test_a_car_woken_by_a_command_falls_asleep_again(car: Car, clock: Clock) -> None:
    assert state(car, clock, 2)[0] == "asleep"
    car.wake()
    assert state(car, clock, 2.1)[0] == "online"
    assert state(car, clock, 2.5)[0] == "asleep"


def test_other_days(clock: Clock) -> None:
    car = ordinary(clock)
    weekend = Day(drives=(Drive(at=10 * 3600, duration=3600),))
    car.set_schedule([DEFAULT_DAY, weekend], MIDNIGHT)
    assert state(car, clock, 24 + 7.75)[2] == "stands"
    assert state(car, clock, 24 + 10.5) == ("online", "road", "drives")
    # The car is away for the night: it is not plugged in, and drives home next.
    assert state(car, clock, 48 + 7.75) == ("online", "road", "drives")
    assert state(car, clock, 48 + 8.1)[1] == "home"
    car.set_schedule([Day()])
    assert state(car, clock, 100) == ("asleep", "home", "stands")


def test_a_plan_may_begin_later(clock: Clock) -> None:
    car = ordinary(clock)
    car.set_schedule([DEFAULT_DAY], MIDNIGHT + DAY)
    assert state(car, clock, 7.75) == ("asleep", "home", "stands")
    assert state(car, clock, 24 + 7.75) == ("online", "road", "drives")


def test_days_are_read() -> None:
    days = [
        {
            "drives": [{"at": "7:30", "minutes": 30}, {"at": "17:00", "minutes": 35}],
            "plug": "18:00",
        },
        {},
    ]
    assert parse_days(days) == (DEFAULT_DAY, Day())


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        ["rest"],
        [{"sleep": "8:00"}],
        [{"plug": "24:00"}],
        [{"drives": "none"}],
        [{"drives": [{"at": "7:30"}]}],
        [{"drives": [{"at": "7:30", "minutes": 0}]}],
        [{"drives": [{"at": "7:30", "minutes": 9, "to": "sea"}]}],
    ],
)
def test_days_are_read_strictly(wrong: Any) -> None:
    with pytest.raises(ConditionError):
        parse_days(wrong)


async def test_over_the_control_port(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    control = ControlApi(sim)
    await control.start()

    async def post(**body: Any) -> int:
        async with session.post(f"{control.url}/days", json=body) as response:
            return response.status

    days = [{"drives": [{"at": "0:10", "minutes": 30}]}]
    assert await post(car="Ada", days=days) == 200
    assert await post(car="Bo", days=days, midnight=clock.now + 3600) == 200
    assert await post(car="Bo", days=days, midnight="soon") == 400
    assert await post(car="Zoe", days=days) == 400
    await control.stop()
    clock.pass_minutes(20)
    for car in sim.cars.values():
        car.advance()
    assert [car.speed for car in sim.cars.values()] == [31, None, None]
