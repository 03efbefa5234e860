"""Tests of the state of a vehicle over time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.keycard.vehicle.commands import Command
from custom_components.keycard.vehicle.keys import PhysicalKey
from custom_components.keycard.vehicle.state import (
    ASLEEP as RESTING,
    CURRENT_ONLY,
    FIELDS,
    ConnectivityState,
    Transport,
    VehicleState,
)
from custom_components.keycard.vehicle.vehicle import Vehicle

from .recorded import MODEL_3, PRODUCTS, SLEEPER, VIN, recorded

TAKEN = datetime(2024, 1, 19, 23, 38, 40, 649000, tzinfo=UTC)
NOW = TAKEN + timedelta(seconds=2)


def data(taken: datetime = TAKEN, **sections: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded data with another timestamp."""
    answer = recorded(MODEL_3)
    for section in answer["response"].values():
        if isinstance(section, dict) and "timestamp" in section:
            section["timestamp"] = int(taken.timestamp() * 1000)
    for name, changes in sections.items():
        answer["response"][name] |= changes
    return answer


def summary(presence: str, vin: str = VIN) -> dict[str, Any]:
    """Return a vehicle summary of the cloud."""
    return {"response": {"vin": vin, "state": presence, "in_service": False}}


def known() -> Vehicle:
    """Return a vehicle with current data."""
    car = Vehicle.from_vin(VIN, configured_key=PhysicalKey.FOB)
    assert car.apply_data(data(), NOW)
    return car


def state_of(car: Vehicle) -> VehicleState:
    """Return the state, which must not be None."""
    assert car.state is not None
    return car.state


def test_first_data() -> None:
    car = Vehicle.from_vin(VIN)
    assert (car.name, car.model, car.year, car.state) == (VIN, "modelx", 2019, None)
    assert not car.is_current(NOW)
    assert car.apply_data(data(), NOW)
    assert (car.name, car.confirmed_at) == ("Test", NOW)
    assert state_of(car).locked is False
    assert car.is_current(NOW)


def test_product_list_leaves_the_lock_unknown() -> None:
    car = Vehicle.from_vin(SLEEPER)
    car.apply_summary(recorded(PRODUCTS)["response"][0], NOW)
    assert (car.name, car.model) == ("Test", "model3")
    assert state_of(car).presence is ConnectivityState.ASLEEP
    assert state_of(car).locked is None
    assert not car.is_current(NOW)


@pytest.mark.parametrize(
    ("answer", "vin"),
    [
        ({}, VIN),
        ({"response": None}, VIN),
        (summary("online"), VIN),
        (data(), SLEEPER),
    ],
)
def test_response_without_data_of_this_vehicle_changes_nothing(
    answer: dict[str, Any], vin: str
) -> None:
    car = Vehicle.from_vin(vin)
    assert not car.apply_data(answer, NOW)
    assert (car.state, car.confirmed_at) == (None, None)


def test_empty_summary_changes_nothing() -> None:
    car = known()
    before = car.state
    for answer in ({}, {"response": None}, summary("asleep", SLEEPER)):
        car.apply_summary(answer, NOW + timedelta(minutes=5))
    assert (car.state, car.confirmed_at) == (before, NOW)


@pytest.mark.parametrize("presence", ["online", "asleep"])
def test_a_repeated_summary_keeps_the_state_and_confirms_it(presence: str) -> None:
    car, later = known(), NOW + timedelta(minutes=1)
    car.apply_summary(summary(presence), NOW)
    state = car.state
    car.apply_summary(summary(presence), later)
    assert car.state is state
    assert car.is_connectivity_known(later + timedelta(minutes=29, seconds=30))

    # It is parsed again once the state has changed otherwise.
    car.state = replace(state_of(car), presence=ConnectivityState.OFFLINE)
    car.apply_summary(summary(presence), later)
    assert state_of(car).presence == presence


@pytest.mark.parametrize(
    ("age", "trusted"),
    [
        (timedelta(0), True),
        (timedelta(minutes=30), True),
        (timedelta(minutes=30, seconds=1), False),
        (timedelta(days=-1), False),
    ],
)
def test_state_stops_being_current(age: timedelta, trusted: bool) -> None:
    assert known().is_current(NOW + age) is trusted


def test_sleep_confirms_the_state() -> None:
    car = known()
    now = NOW
    for _ in range(5):
        now += timedelta(minutes=29)
        car.apply_summary(summary("asleep"), now)
        assert car.is_current(now)
    now += timedelta(minutes=29)
    car.apply_summary(summary("online"), now)
    assert car.is_current(now)
    assert not car.is_current(now + timedelta(minutes=2))


ASLEEP: dict[str, Any] = {"locked": True, "presence": ConnectivityState.ASLEEP}


def test_sleep_over_bluetooth_confirms_the_state() -> None:
    """A sleep report without closures keeps those known before."""
    car = Vehicle.from_vin(VIN)
    awake = {"locked": True, "front_driver_door_open": True, "port_open": True}
    car.apply_bluetooth({**awake, "presence": ConnectivityState.ONLINE}, None, NOW)
    now = NOW
    for _ in range(5):
        now += timedelta(minutes=29)
        car.apply_bluetooth(ASLEEP, None, now)
        assert {"front_driver_door_open", "port_open"} <= car.fresh_fields(now)
    assert state_of(car).front_driver_door_open is True
    now += timedelta(minutes=31)
    car.apply_bluetooth(ASLEEP, None, now)
    # Somebody may have been about meanwhile.
    assert car.fresh_fields(now) == {"locked", "presence"}


def test_sleep_over_one_transport_confirms_fields_of_the_other() -> None:
    car = known()
    now = NOW + timedelta(minutes=29)
    car.apply_bluetooth(ASLEEP, None, now)
    assert car.is_current(now + timedelta(minutes=29))
    car = Vehicle.from_vin(VIN)
    car.apply_bluetooth(ASLEEP | {"front_trunk_open": True}, None, NOW)
    car.apply_summary(summary("asleep"), now)
    assert "front_trunk_open" in car.fresh_fields(now + timedelta(minutes=29))
    assert car.data_source == "bluetooth"
    assert car.last_contact == NOW


def test_gap_in_bluetooth_sleep_reports_ends_confirmation() -> None:
    car = known()
    later = NOW + timedelta(minutes=31)
    car.apply_bluetooth(ASLEEP, None, later)
    assert not car.is_current(later)
    assert car.fresh_fields(later) == {"locked", "presence"}


def test_gap_in_sleep_reports_ends_confirmation() -> None:
    car = known()
    later = NOW + timedelta(hours=2)
    for _ in range(100):
        later += timedelta(minutes=1)
        car.apply_summary(summary("asleep"), later)
    assert not car.is_current(later)
    shown = state_of(car).only_confirmed(car.fresh_fields(later))
    before = state_of(known())
    assert (shown.locked, shown.user_present, shown.front_driver_door_open) == (
        None,
        None,
        None,
    )
    assert shown.inside_temp is None
    # A climate keeps a car awake, whoever has been there.
    assert shown.climate_on is False
    assert shown.battery_level == before.battery_level is not None
    assert shown.latitude == before.latitude is not None
    assert shown.sw_version == before.sw_version is not None


def test_falling_asleep_switches_off_climate() -> None:
    car = known()
    car.state = replace(
        state_of(car),
        climate_on=True,
        seat_heater_left=3,
        seat_cooler_left=None,
        shift_state="d",
        charging_state="Charging",
        charger_power=11.0,
        minutes_to_full=40,
        locked=False,
    )
    car.apply_summary(summary("offline"), NOW)
    assert state_of(car).climate_on is True
    car.apply_summary(summary("asleep"), NOW)
    state = state_of(car)
    assert (state.climate_on, state.seat_heater_left, state.shift_state) == (
        False,
        0,
        "p",
    )
    assert (state.charging_state, state.charger_power, state.minutes_to_full) == (
        None,
        0.0,
        None,
    )
    # What nobody told of is not made up, and what was known still is.
    assert (state.seat_cooler_left, state.locked) == (None, False)


@pytest.mark.parametrize("done", ["command", "bluetooth"])
def test_sleep_report_just_after_a_wake_changes_nothing(done: str) -> None:
    car = known()
    car.apply_summary(summary("asleep"), NOW)
    later = NOW + timedelta(minutes=40)
    if done == "command":
        car.apply_command(Command.CLIMATE_ON, {}, later)
    else:
        car.apply_bluetooth({"climate_on": True}, None, later)
    car.apply_summary(summary("asleep"), later + timedelta(minutes=1))
    assert state_of(car).climate_on is True
    car.apply_summary(summary("asleep"), later + timedelta(minutes=5))
    assert state_of(car).climate_on is False


@pytest.mark.parametrize("reported", ["bluetooth", "command"])
def test_fields_confirmed_after_a_gap_stay_current_while_asleep(reported: str) -> None:
    car = known()
    now = NOW + timedelta(hours=2)
    car.apply_summary(summary("asleep"), now)
    if reported == "command":
        car.apply_command(Command.LOCK, {}, now)
    else:
        car.apply_bluetooth({"locked": True}, None, now)
    for _ in range(4):
        now += timedelta(minutes=29)
        car.apply_summary(summary("asleep"), now)
        assert "locked" in car.fresh_fields(now)
        assert "user_present" not in car.fresh_fields(now)
    now += timedelta(minutes=31)
    assert "locked" not in car.fresh_fields(now)
    car.apply_summary(summary("asleep"), now)
    assert "locked" not in car.fresh_fields(now)


def test_connectivity_is_the_last_report_of_the_cloud() -> None:
    car = known()
    now = NOW
    assert car.is_connectivity_known(now)
    for presence in ("offline", "online", "asleep"):
        now += timedelta(minutes=40)
        assert not car.is_connectivity_known(now)
        car.apply_summary(summary(presence), now)
        assert car.is_connectivity_known(now)
        assert state_of(car).presence == presence
    restored = Vehicle.from_json(json.loads(json.dumps(car.to_json())))
    assert not restored.is_connectivity_known(now)


def test_old_data_are_not_current() -> None:
    car = Vehicle.from_vin(VIN)
    later = NOW + timedelta(hours=10)
    assert car.apply_data(data(), later)
    assert not car.is_current(later)
    assert car.is_connectivity_known(later)
    assert (
        state_of(car).only_confirmed(car.fresh_fields(later)).battery_level is not None
    )
    assert car.apply_data(data(later - timedelta(minutes=15)), later)
    assert car.is_current(later + timedelta(minutes=30))


def test_every_field_is_current_only_or_persistent() -> None:
    keeps = FIELDS.keys() - CURRENT_ONLY
    assert FIELDS.keys() > CURRENT_ONLY
    assert RESTING.keys() < CURRENT_ONLY
    assert keeps == {
        "battery_level",
        "battery_range",
        "charge_amps",
        "charge_amps_max",
        "charge_limit",
        "charge_limit_max",
        "charge_limit_min",
        "charge_schedule",
        "charging_at",
        "departure_at",
        "energy_added",
        "energy_remaining",
        "estimated_range",
        "front_left_pressure",
        "front_left_pressure_low",
        "front_right_pressure",
        "front_right_pressure_low",
        "heading",
        "ideal_range",
        "keyless_driving",
        "latitude",
        "lifetime_energy",
        "longitude",
        "low_power_mode",
        "max_temp",
        "min_temp",
        "odometer",
        "off_peak_charging",
        "pin_to_drive",
        "preconditions",
        "rear_left_pressure",
        "rear_left_pressure_low",
        "rear_right_pressure",
        "rear_right_pressure_low",
        "scheduled_charging",
        "speed_limit",
        "speed_limit_mode",
        "sw_version",
        "update_status",
        "update_version",
        "usable_battery_level",
        "valet_mode",
    }


@pytest.mark.parametrize(
    ("answer", "stale"),
    [
        (data(), True),
        (data(TAKEN - timedelta(hours=1)), True),
        (data(TAKEN + timedelta(milliseconds=1)), False),
        (summary("online"), False),
        ({}, False),
    ],
)
def test_stale(answer: dict[str, Any], stale: bool) -> None:
    assert known().is_stale(answer) is stale
    assert not Vehicle.from_vin(VIN).is_stale(answer)


def test_old_data_of_a_sleeping_vehicle_are_not_stale() -> None:
    answer = data()
    answer["response"]["state"] = "asleep"
    assert not known().is_stale(answer)


def test_stale_data_change_nothing() -> None:
    car = known()
    before = state_of(car)
    later = NOW + timedelta(minutes=10)
    old = data(TAKEN - timedelta(hours=1), vehicle_state={"locked": True})
    assert not car.apply_data(old, later)
    assert (car.state, car.confirmed_at) == (before, NOW)


def test_newer_data_count() -> None:
    car = known()
    later = NOW + timedelta(minutes=10)
    fresh = data(
        later, vehicle_state={"locked": True}, climate_state={"outside_temp": 9}
    )
    for key in ("min_avail_temp", "max_avail_temp", "inside_temp"):
        del fresh["response"]["climate_state"][key]
    assert car.apply_data(fresh, later)
    state = state_of(car)
    assert (state.locked, state.outside_temp, car.confirmed_at) == (True, 9.0, later)
    assert (state.min_temp, state.max_temp, state.inside_temp) == (15.0, 28.0, None)


def test_future_timestamp_is_ignored() -> None:
    car = known()
    assert car.apply_data(data(NOW + timedelta(days=400)), NOW)
    assert state_of(car).data_at is None
    assert car.apply_data(data(NOW + timedelta(minutes=1)), NOW)
    assert state_of(car).data_at == NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("command", "params", "changes"),
    [
        (Command.LOCK, {}, {"locked": True}),
        (Command.UNLOCK, {}, {"locked": False}),
        (Command.CLIMATE_ON, {}, {"climate_on": True}),
        (
            Command.CLIMATE_OFF,
            {},
            {"climate_on": False, "keeper_mode": "off", "preconditioning": False},
        ),
        (
            Command.SET_TEMPS,
            {"driver_temp": 19.5, "passenger_temp": 20.0},
            {"target_temp": 19.5, "passenger_temp": 20.0},
        ),
        (Command.KEEPER, {"mode": "dog"}, {"keeper_mode": "dog", "climate_on": True}),
        (Command.KEEPER, {"mode": "off"}, {"keeper_mode": "off"}),
        (
            Command.PRECONDITION_MAX,
            {"on": True},
            {"preconditioning": True, "climate_on": True},
        ),
        (Command.PRECONDITION_MAX, {"on": False}, {"preconditioning": False}),
        (Command.WAKE, {}, {}),
    ],
)
def test_executed_commands_change_the_state(
    command: Command, params: dict[str, object], changes: dict[str, object]
) -> None:
    car = known()
    before = state_of(car).to_json()
    car.apply_command(command, params, NOW)
    assert state_of(car).to_json() == before | changes
    assert car.confirmed_at == NOW


def test_data_taken_before_a_command_do_not_undo_it() -> None:
    car = known()
    locked_at = NOW + timedelta(minutes=10)
    car.apply_command(Command.LOCK, {}, locked_at)
    assert car.apply_data(data(locked_at - timedelta(seconds=5)), locked_at)
    assert state_of(car).locked is True
    assert car.apply_data(data(locked_at + timedelta(seconds=5)), locked_at)
    assert state_of(car).locked is False


def test_clock_far_ahead_does_not_keep_a_commanded_value_forever() -> None:
    car = known()
    car.apply_command(Command.LOCK, {}, NOW + timedelta(days=30))
    assert car.apply_data(data(TAKEN + timedelta(minutes=10)), NOW + timedelta(days=30))
    assert state_of(car).locked is False


@pytest.mark.parametrize("stored", [False, True], ids=["running", "restarted"])
def test_newer_data_count_after_the_clock_is_set_back(stored: bool) -> None:
    car = known()
    ahead = NOW + timedelta(hours=2)
    car.apply_bluetooth({"locked": True}, None, ahead)
    car.mark_uncertain(["climate_on"], ahead)
    if stored:
        car = Vehicle.from_json(json.loads(json.dumps(car.to_json())))
    now = NOW + timedelta(minutes=1)
    car.apply_summary(summary("online"), now)
    assert car.last_contact is not None
    assert car.last_contact <= now
    later = now + timedelta(minutes=1)
    assert car.apply_data(data(later), later)
    assert state_of(car).locked is False
    assert state_of(car).climate_on is not None
    assert car.uncertain_fields == frozenset()


@pytest.mark.parametrize("seconds", [-7200, -31_536_000, -90])
def test_sleep_continues_after_the_clock_is_set_back(seconds: float) -> None:
    car = known()
    car.apply_bluetooth({"front_trunk_open": False}, None, NOW)
    now = NOW + timedelta(minutes=1)
    car.apply_summary(summary("asleep"), now)
    now += timedelta(seconds=seconds)
    for _ in range(40):
        now += timedelta(minutes=1)
        car.apply_summary(summary("asleep"), now)
        assert car.is_current(now)
        assert "front_trunk_open" in car.fresh_fields(now)
        assert car.is_connectivity_known(now)


def test_a_command_to_a_car_without_data() -> None:
    car = Vehicle.from_vin(VIN)
    car.apply_command(Command.LOCK, {}, NOW)
    assert state_of(car).locked is True
    assert not car.is_current(NOW)


def test_restart() -> None:
    stored = json.loads(json.dumps(known().to_json()))
    car = Vehicle.from_json(stored, configured_key=PhysicalKey.FOB)
    assert (car.id, car.name, car.model, car.year) == (VIN, "Test", "modelx", 2019)
    assert (car.physical_key, car.restored, car.confirmed_at) == (
        PhysicalKey.FOB,
        True,
        NOW,
    )
    assert state_of(car).locked is False
    assert state_of(car).presence is ConnectivityState.UNKNOWN
    assert car.is_current(NOW + timedelta(minutes=5))
    assert not car.apply_data(data(), NOW)
    assert car.restored
    assert car.apply_data(data(NOW), NOW)
    assert not car.restored


def test_restart_keeps_fields_received_over_bluetooth() -> None:
    car = Vehicle.from_vin(VIN)
    car.apply_bluetooth({"locked": True}, None, NOW)
    stored = json.loads(json.dumps(car.to_json()))
    restored = Vehicle.from_json(stored)
    later = NOW + timedelta(minutes=5)
    assert restored.fresh_fields(later) == {"locked"}
    assert (restored.last_contact, restored.data_source) == (NOW, Transport.BLUETOOTH)
    assert restored.fresh_fields(NOW + timedelta(minutes=31)) == frozenset()
    odds: tuple[object, ...] = ([], {"locked": "noon", "wings": NOW.isoformat()})
    for odd in odds:
        assert (
            Vehicle.from_json(stored | {"confirmed": odd}).fresh_fields(later)
            == frozenset()
        )


def test_restart_of_a_car_without_data() -> None:
    car = Vehicle.from_json(Vehicle(id="ada", name="Ada", model="model3").to_json())
    assert car == Vehicle(id="ada", name="Ada", model="model3")


@pytest.mark.parametrize("stored", [{}, {"id": 17}, {"id": ""}])
def test_stored_vehicle_without_id_is_rejected(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="has no ID"):
        Vehicle.from_json(stored)


def test_invalid_stored_state_is_ignored() -> None:
    stored = {"id": VIN, "state": {"locked": "yes"}, "confirmed_at": 5, "year": "old"}
    car = Vehicle.from_json(stored)
    assert (car.name, car.model, car.year, car.confirmed_at) == (
        VIN,
        "unknown",
        None,
        None,
    )
    assert state_of(car) == VehicleState(vin=VIN)


def test_configured_key_outranks_the_vin() -> None:
    assert Vehicle.from_vin(VIN).physical_key is PhysicalKey.FOB
    assert (
        Vehicle.from_vin(VIN, configured_key=PhysicalKey.KEYCARD).physical_key
        is PhysicalKey.KEYCARD
    )
    assert Vehicle.from_vin(SLEEPER).physical_key is PhysicalKey.KEYCARD


def test_model_from_data_if_vin_has_none() -> None:
    vin = "5YJ1F7EK4KC700000"
    answer = data()
    answer["response"]["vin"] = vin
    car = Vehicle.from_vin(vin)
    assert car.model == "unknown"
    car.apply_data(answer, NOW)
    assert car.model == "model3"


def test_age_of_confirmed_fields() -> None:
    names, minute = ("locked", "user_present"), timedelta(minutes=1)
    car = Vehicle.from_vin(VIN)
    assert car.confirmation_age(names, NOW) is None
    # A cache returns the data later than the car sent them.
    car.apply_data(data(), NOW + 5 * minute)
    later = TAKEN + 6 * minute
    assert car.confirmation_age(names, later) == 6 * minute
    car.apply_bluetooth({"locked": True}, None, TAKEN + 5 * minute)
    assert car.confirmation_age(("locked",), later) == minute
    assert car.confirmation_age(names, later) == 6 * minute
    # Sleep confirms them again.
    car.apply_summary(summary("asleep"), TAKEN + 5 * minute)
    assert car.confirmation_age(names, later) == minute
    # The clock was set back.
    assert car.confirmation_age(names, TAKEN) == 5 * minute
