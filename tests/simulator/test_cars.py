"""Cars behave as time goes by."""

import pytest

from simulator.cars import Car
from simulator.cases import CarSpec
from simulator.shapes import vehicle_data

from .conftest import Clock


def lively_car(clock: Clock, *, lively: bool = True) -> Car:
    spec = CarSpec(name="Ada", model="model3", year=2021)
    return Car(spec, region="eu", now=clock, lively=lively)


def test_an_idle_car_falls_asleep(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    clock.pass_minutes(14)
    car.advance()
    assert car.presence == "online"
    car.execute("door_unlock", {})
    clock.pass_minutes(14)
    car.advance()
    assert car.presence == "online"
    clock.pass_minutes(2)
    car.advance()
    assert car.presence == "asleep"


def test_a_car_in_use_stays_awake(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    car.execute("auto_conditioning_start", {})
    clock.pass_minutes(60)
    car.advance()
    assert car.presence == "online"


def test_a_quiet_car_does_nothing_by_itself(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    before = vehicle_data(car, clock())
    start = clock.now
    for _ in range(100):
        clock.pass_minutes(60)
        car.advance()
    assert vehicle_data(car, start) == before


def test_a_lively_car_drives_and_charges(clock: Clock) -> None:
    car = lively_car(clock)
    seen: set[str] = set()
    for _ in range(24 * 12):
        clock.pass_minutes(5)
        car.advance()
        seen.add(car.presence)
        seen.add("driving" if car.speed else "parked")
        seen.add("charging" if car.charging else "not charging")
    assert seen == {
        "online",
        "asleep",
        "driving",
        "parked",
        "charging",
        "not charging",
    }
    assert car.odometer > 12_345.6 + 20


def test_a_drive_goes_there_and_back(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    home = (car.latitude, car.longitude)
    car.drive()
    clock.pass_minutes(5)
    car.advance()
    assert car.speed == 31
    assert car.user_present
    assert (car.latitude, car.longitude) != home
    assert car.battery < 64
    clock.pass_minutes(15)
    car.advance()
    assert not car.speed
    assert (car.latitude, car.longitude) == home
    assert not car.user_present


def test_the_battery_fills_up_to_the_limit(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.plug()
    assert car.charging
    clock.pass_minutes(30)
    car.advance()
    assert 64 + 6 < car.battery < 64 + 8
    clock.pass_minutes(300)
    car.advance()
    assert car.battery == pytest.approx(80)
    assert not car.charging


def test_the_cabin_goes_to_its_target_and_back(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.outside = 30.0
    clock.pass_minutes(600)
    car.advance()
    assert car.inside == pytest.approx(30, abs=0.1)
    car.execute("auto_conditioning_start", {})
    clock.pass_minutes(30)
    car.advance()
    assert car.inside == pytest.approx(21, abs=0.1)
    car.execute("set_preconditioning_max", {"on": True})
    clock.pass_minutes(30)
    car.advance()
    assert car.inside == pytest.approx(28, abs=0.1)
    car.execute("auto_conditioning_stop", {})
    assert not car.defrost
    clock.pass_minutes(10)
    car.advance()
    assert 28 < car.inside < 29


def test_a_clock_that_is_set_back_changes_nothing(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    car.plug()
    clock.pass_minutes(10)
    car.advance()
    battery = car.battery
    clock.pass_minutes(-120)
    car.advance()
    assert (car.battery, car.presence) == (battery, "online")
    clock.pass_minutes(10)
    car.advance()
    assert car.battery > battery
