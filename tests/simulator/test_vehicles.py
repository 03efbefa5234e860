"""State of simulated cars over time."""

import pytest

from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car
from simulator.vehicle.payloads import vehicle_data

from .conftest import Clock


def lively_car(clock: Clock, *, lively: bool = True) -> Car:
    spec = CarSpec(name="Ada", model="model3", year=2021)
    return Car(spec, region="eu", get_time=clock, lively=lively)


def test_an_idle_car_falls_asleep(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    clock.pass_minutes(14)
    car.advance()
    assert car.connectivity == "online"
    car.execute("door_unlock", {})
    clock.pass_minutes(14)
    car.advance()
    assert car.connectivity == "online"
    clock.pass_minutes(2)
    car.advance()
    assert car.connectivity == "asleep"


def test_a_car_in_use_stays_awake(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    car.execute("auto_conditioning_start", {})
    clock.pass_minutes(60)
    car.advance()
    assert car.connectivity == "online"


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
        seen.add(car.connectivity)
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
    assert car.battery_level < 64
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
    assert 64 + 6 < car.battery_level < 64 + 8
    clock.pass_minutes(300)
    car.advance()
    assert car.battery_level == pytest.approx(80)
    assert not car.charging


def test_the_cabin_goes_to_its_target_and_back(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.outside_temp = 30.0
    clock.pass_minutes(600)
    car.advance()
    assert car.inside_temp == pytest.approx(30, abs=0.1)
    car.execute("auto_conditioning_start", {})
    clock.pass_minutes(30)
    car.advance()
    assert car.inside_temp == pytest.approx(21, abs=0.1)
    car.execute("set_preconditioning_max", {"on": True})
    clock.pass_minutes(30)
    car.advance()
    assert car.inside_temp == pytest.approx(28, abs=0.1)
    car.execute("auto_conditioning_stop", {})
    assert not car.defrost
    clock.pass_minutes(10)
    car.advance()
    assert 28 < car.inside_temp < 29


def test_a_clock_that_is_set_back_changes_nothing(clock: Clock) -> None:
    car = lively_car(clock)
    car._trip_phase = 1e9
    car.plug()
    clock.pass_minutes(10)
    car.advance()
    battery = car.battery_level
    clock.pass_minutes(-120)
    car.advance()
    assert (car.battery_level, car.connectivity) == (battery, "online")
    clock.pass_minutes(10)
    car.advance()
    assert car.battery_level > battery


def test_the_cabin_is_kept_from_overheating(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.outside_temp = 50.0
    car.execute("set_cabin_overheat_protection", {"on": True, "fan_only": False})
    car.execute("set_cop_temp", {"cop_temp": 1})
    clock.pass_minutes(600)
    car.advance()
    assert car.inside_temp == 35
    state = vehicle_data(car, clock())["climate_state"]
    assert isinstance(state, dict)
    assert state["cabin_overheat_protection_actively_cooling"]
    car.execute("set_cabin_overheat_protection", {"on": False})
    clock.pass_minutes(600)
    car.advance()
    assert car.inside_temp == pytest.approx(50, abs=0.1)


def test_new_software_is_installed_in_its_time(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    assert car.update_status == ""
    car.available_update = "2026.38.1"
    assert car.update_status == "available"
    assert car.execute("schedule_software_update", {"offset_sec": 0}) == (True, "")
    seen = [car.update_status]
    for _ in range(40):
        clock.pass_minutes(1)
        car.advance()
        if car.update_status != seen[-1]:
            seen.append(car.update_status)
    assert seen == ["scheduled", "installing", ""]
    assert car.software_version == "2026.38.1"


def test_remote_start_expires(clock: Clock) -> None:
    def allowed() -> object:
        state = vehicle_data(car, clock())["vehicle_state"]
        assert isinstance(state, dict)
        return state["remote_start"]

    car = lively_car(clock, lively=False)
    assert not allowed()
    car.execute("remote_start_drive", {})
    assert allowed()
    clock.pass_minutes(3)
    assert not allowed()


def test_starting_a_drive_closes_doors_and_trunks(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    for trunk in ("front", "rear"):
        car.execute("actuate_trunk", {"which_trunk": trunk})
    car.execute("window_control", {"command": "vent"})
    car.doors["df"] = True
    car.drive()
    assert not car.front_trunk
    assert not car.rear_trunk
    assert not any(car.windows.values())
    assert not any(car.doors.values())


def test_valet_mode_wants_a_pin(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.valet_pin_set = False
    assert car.execute("set_valet_mode", {"on": True}) == (False, "valet_pin_needed")
    assert car.execute("set_valet_mode", {"on": True, "password": "1234"})[0]
    assert car.execute("set_valet_mode", {"on": False})[0]
    assert car.execute("set_valet_mode", {"on": True})[0]


def test_trunks_that_no_command_opens(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    car.config["can_actuate_trunks"] = False
    assert not car.execute("actuate_trunk", {"which_trunk": "front"})[0]
    car.config["motorized_charge_port"] = False
    assert car.execute("charge_port_door_open", {})[0]
    assert not car.execute("charge_port_door_close", {})[0]


def test_a_current_below_five_amperes_is_taken_in_two_steps(clock: Clock) -> None:
    car = lively_car(clock, lively=False)
    # A car that does not charge accepts any current.
    assert car.execute("set_charging_amps", {"charging_amps": 3})[0]
    assert (car.charge_amps, car.charging_current) == (3, 0)
    car.charge_amps = 16
    car.plug()
    for charging_amps, setting, current in ((3, 5, 5), (3, 5, 3), (2, 5, 2), (8, 8, 8)):
        body = {"charging_amps": charging_amps}
        assert car.execute("set_charging_amps", body)[0]
        assert (car.charge_amps, car.charging_current) == (setting, current)
    for _ in range(2):
        car.execute("set_charging_amps", {"charging_amps": 3})
    assert car.charging_current == 3
    car.execute("charge_stop", {})
    car.execute("charge_start", {})
    assert car.charging_current == 5
