"""Tests of the enumerations in Bluetooth messages."""

from datetime import UTC, datetime
import math
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
import pytest
from tesla_protocol.command.common_pb2 import ChargePortLatchState, LatLong, Void
from tesla_protocol.command.vehicle_pb2 import (
    ChargeState,
    ClimateState,
    ClosuresState,
    DriveState,
    LocationState,
    ShiftState,
    SoftwareUpdateState,
    SpeedLimitMode,
    TirePressureState,
    VehicleData,
    VehicleState,
)

from custom_components.keycard.transport.bluetooth_messages import (
    data_timestamp,
    parse_data,
)
from custom_components.keycard.vehicle.state import FIELDS


def one_of[T: Message](kind: type[T], name: str) -> T:
    message: T = kind(**{name: Void()})
    return message


def climate(**values: Any) -> VehicleData:
    return VehicleData(climate_state=ClimateState(**values))


def closures(**values: Any) -> VehicleData:
    return VehicleData(closures_state=ClosuresState(**values))


def charge(**values: Any) -> VehicleData:
    return VehicleData(charge_state=ChargeState(**values))


def drive(**values: Any) -> VehicleData:
    return VehicleData(drive_state=DriveState(**values))


def keeper(values: str) -> VehicleData:
    return climate(climate_keeper_mode=one_of(ClimateState.ClimateKeeperMode, values))


def defrost(values: str) -> VehicleData:
    return climate(defrost_mode=one_of(ClimateState.DefrostMode, values))


def charging(values: str) -> VehicleData:
    return charge(charging_state=one_of(ChargeState.ChargingState, values))


def update(**values: Any) -> VehicleData:
    return VehicleData(software_update_state=SoftwareUpdateState(**values))


def legacy(**values: Any) -> VehicleData:
    return VehicleData(legacy_vehicle_state=VehicleState(**values))


def place(**values: Any) -> VehicleData:
    return VehicleData(location_state=LocationState(**values))


# A car leaves these out while there is none of them.
CHARGE: dict[str, Any] = {
    "several_phases": None,
    "charging_at": None,
    "departure_at": None,
}
DRIVE: dict[str, Any] = {"speed": None} | dict.fromkeys(
    n for n in FIELDS if n.startswith("route")
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (VehicleData(), {}),
        (climate(), {}),
        (drive(), {}),
        (charge(), {}),
        (climate(timestamp=Timestamp(seconds=1767225600)), {}),
        # What is told as nothing is told; what is left out is not.
        (climate(is_climate_on=False), {"climate_on": False}),
        (climate(inside_temp_celsius=0), {"inside_temp": 0.0}),
        (climate(inside_temp_celsius=21.6), {"inside_temp": 21.6}),
        (climate(outside_temp_celsius=-7.3), {"outside_temp": -7.3}),
        (climate(inside_temp_celsius=math.nan), {"inside_temp": None}),
        (climate(inside_temp_celsius=math.inf), {"inside_temp": None}),
        (climate(inside_temp_celsius=3e38), {"inside_temp": None}),
        (climate(fan_status=-1), {"fan_status": None}),
        (climate(seat_heater_left=2**31 - 1), {"seat_heater_left": None}),
        # Two that say nothing one by one
        (climate(min_avail_temp_celsius=15), {}),
        (
            climate(min_avail_temp_celsius=15, max_avail_temp_celsius=28),
            {"min_temp": 15.0, "max_temp": 28.0},
        ),
        (
            climate(min_avail_temp_celsius=28, max_avail_temp_celsius=15),
            {"min_temp": None, "max_temp": None},
        ),
        (
            climate(min_avail_temp_celsius=math.nan, max_avail_temp_celsius=28),
            {"min_temp": None, "max_temp": None},
        ),
        (keeper("Unknown"), {"keeper_mode": None}),
        (keeper("Off"), {"keeper_mode": "off"}),
        (keeper("On"), {"keeper_mode": "keep"}),
        (keeper("Dog"), {"keeper_mode": "dog"}),
        (keeper("Party"), {"keeper_mode": "camp"}),
        # A newer word
        (
            climate(climate_keeper_mode=ClimateState.ClimateKeeperMode()),
            {"keeper_mode": None},
        ),
        (defrost("Off"), {"preconditioning": False}),
        (defrost("Normal"), {"preconditioning": True}),
        (defrost("Max"), {"preconditioning": True}),
        (climate(cabin_overheat_protection=0), {"overheat_mode": "off"}),
        (climate(cabin_overheat_protection=2), {"overheat_mode": "fan_only"}),
        (climate(cabin_overheat_protection=99), {"overheat_mode": None}),
        (climate(cop_activation_temperature=0), {"overheat_temp": None}),
        (climate(cop_activation_temperature=1), {"overheat_temp": 30}),
        (climate(cop_activation_temperature=3), {"overheat_temp": 40}),
        (climate(steering_wheel_heat_level=0), {"wheel_heater": None}),
        (climate(steering_wheel_heat_level=1), {"wheel_heater": 0}),
        (climate(steering_wheel_heat_level=2), {"wheel_heater": 1}),
        (climate(steering_wheel_heat_level=3), {"wheel_heater": 3}),
        (closures(door_open_driver_front=False), {"front_driver_door_open": False}),
        (closures(door_open_passenger_rear=True), {"rear_passenger_door_open": True}),
        (closures(window_open_driver_rear=True), {"rear_driver_window_open": True}),
        (closures(door_open_trunk_rear=True), {"rear_trunk_open": True}),
        (closures(cruise_speed_limit_mph=55), {}),
        (
            closures(
                speed_limit_mode=SpeedLimitMode(active=True, current_limit_mph=69)
            ),
            {"speed_limit_mode": True, "speed_limit": 69.0},
        ),
        (closures(speed_limit_mode=SpeedLimitMode()), {}),
        *(
            (closures(sun_roof_state=one_of(ClosuresState.SunRoofState, values)), value)
            for values, value in (
                ("Unknown", {"sun_roof_open": None}),
                ("Calibrating", {"sun_roof_open": None}),
                ("Moving", {"sun_roof_open": None}),
                ("Closed", {"sun_roof_open": False}),
                ("Open", {"sun_roof_open": True}),
                ("Vent", {"sun_roof_open": True}),
            )
        ),
        *(
            (
                closures(
                    sentry_mode_state=one_of(ClosuresState.SentryModeState, values)
                ),
                {"sentry_mode": values != "Off"},
            )
            for values in ("Off", "Idle", "Armed", "Aware", "Panic", "Quiet")
        ),
        (charge(battery_level=0), CHARGE | {"battery_level": 0}),
        (charge(battery_level=101), CHARGE | {"battery_level": None}),
        (charge(low_power_mode=True), CHARGE | {"low_power_mode": True}),
        (charge(charge_rate_mph=31), CHARGE | {"charge_rate": 31.0}),
        (
            charge(charge_rate_mph=31, charge_rate_mph_float=31.4),
            CHARGE | {"charge_rate": 31.4},
        ),
        (charge(charger_phases=1), CHARGE | {"several_phases": False}),
        (charge(charger_phases=3), CHARGE | {"several_phases": True}),
        (charging("Unknown"), CHARGE | {"charging_state": None}),
        (charging("NoPower"), CHARGE | {"charging_state": "NoPower"}),
        (charging("Calibrating"), CHARGE | {"charging_state": "Calibrating"}),
        (
            charge(conn_charge_cable=one_of(ChargeState.CableType, "SNA")),
            CHARGE | {"cable_connected": False, "cable_type": None},
        ),
        (
            charge(conn_charge_cable=one_of(ChargeState.CableType, "GB_DC")),
            CHARGE | {"cable_connected": True, "cable_type": "GB_DC"},
        ),
        (
            charge(conn_charge_cable=ChargeState.CableType()),
            CHARGE | {"cable_connected": None, "cable_type": None},
        ),
        *(
            (
                charge(charge_port_latch=one_of(ChargePortLatchState, values)),
                CHARGE | {"cable_locked": value},
            )
            for values, value in (
                ("SNA", None),
                ("Blocking", None),
                ("Disengaged", False),
                ("Engaged", True),
            )
        ),
        (charge(scheduled_charging_mode=0), CHARGE | {"charge_schedule": "off"}),
        (charge(scheduled_charging_mode=2), CHARGE | {"charge_schedule": "depart_by"}),
        (charge(scheduled_charging_mode=99), CHARGE | {"charge_schedule": None}),
        (
            charge(scheduled_charging_start_time=1767225600),
            CHARGE | {"charging_at": datetime(2026, 1, 1, tzinfo=UTC)},
        ),
        (charge(scheduled_charging_start_time=2**64 - 1), CHARGE),
        (
            charge(scheduled_departure_time=Timestamp(seconds=1767225600)),
            CHARGE | {"departure_at": datetime(2026, 1, 1, tzinfo=UTC)},
        ),
        (charge(scheduled_departure_time=Timestamp(seconds=-(2**63))), CHARGE),
        (drive(power=-7), DRIVE | {"power": -7.0}),
        (drive(speed=31), DRIVE | {"speed": 31.0}),
        (drive(speed=31, speed_float=30.6), DRIVE | {"speed": 30.6}),
        (drive(speed=2**32 - 1), DRIVE),
        (
            drive(odometer_in_hundredths_of_a_mile=1234560),
            DRIVE | {"odometer": 12345.6},
        ),
        (drive(odometer_in_hundredths_of_a_mile=-1), DRIVE | {"odometer": None}),
        *(
            (
                drive(shift_state=one_of(ShiftState, values)),
                DRIVE | {"shift_state": value},
            )
            for values, value in (
                ("Invalid", None),
                ("SNA", None),
                ("P", "p"),
                ("R", "r"),
                ("N", "n"),
                ("D", "d"),
            )
        ),
        # Without a destination there is no route.
        (drive(active_route_minutes_to_arrival=7), DRIVE),
        (
            drive(
                active_route_destination="Home",
                active_route_miles_to_arrival=3.2,
                active_route_energy_at_arrival=41.6,
                active_route_coordinates=LatLong(latitude=37.5, longitude=-121.25),
            ),
            {
                "speed": None,
                "route_destination": "Home",
                "route_distance": 3.2,
                "route_battery": 42,
                "route_latitude": 37.5,
                "route_longitude": -121.25,
            },
        ),
        (
            drive(active_route_destination="Home", active_route_coordinates=LatLong()),
            {"speed": None, "route_destination": "Home"},
        ),
        (place(latitude=37.5), {}),
        (place(latitude=91, longitude=13), {"latitude": None, "longitude": None}),
        (
            place(latitude=52.3941, longitude=-121.9447, heading=0),
            {"latitude": 52.3941, "longitude": -121.9447, "heading": 0},
        ),
        (place(homelink_nearby=True), {"homelink_nearby": True}),
        (
            VehicleData(tire_pressure_state=TirePressureState(tpms_pressure_rl=2.775)),
            {"rear_left_pressure": 2.775},
        ),
        # Bar, not psi
        (
            VehicleData(tire_pressure_state=TirePressureState(tpms_pressure_rl=42)),
            {"rear_left_pressure": None},
        ),
        *(
            (
                update(
                    status=one_of(SoftwareUpdateState.SoftwareUpdateStatus, values),
                ),
                {"update_status": value},
            )
            for values, value in (
                ("Unknown", None),
                ("Installing", "installing"),
                ("Scheduled", "scheduled"),
                ("Available", "available"),
                ("DownloadingWifiWait", "downloading_wifi_wait"),
                ("Downloading", "downloading"),
            )
        ),
        (update(version="2026.40.1 abc"), {"update_version": "2026.40.1"}),
        (update(version=" "), {"update_version": None}),
        (update(install_perc=200), {"update_progress": None}),
        (legacy(car_version="2026.32.6 1f0e"), {"sw_version": "2026.32.6"}),
        (legacy(vehicle_name="Ada"), {"name": "Ada"}),
        (legacy(vehicle_name=" "), {}),
        (legacy(dashcam_state=0), {"dashcam": False}),
        (legacy(dashcam_state=2), {"dashcam": True}),
        (legacy(dashcam_state=5), {"dashcam": None}),
        (legacy(dashcam_state=7), {"dashcam": False}),
        (legacy(pin_to_drive_enabled=False), {"pin_to_drive": False}),
        (
            legacy(software_update_state=SoftwareUpdateState(version="2026.40.1")),
            {"update_version": "2026.40.1"},
        ),
    ],
)
def test_data(data: VehicleData, expected: dict[str, Any]) -> None:
    values = parse_data(data)
    assert values == expected
    kinds = {name: type(value) for name, value in expected.items()}
    assert {name: type(value) for name, value in values.items()} == kinds


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (VehicleData(), None),
        (charge(battery_level=64), None),
        (charge(timestamp=Timestamp(seconds=600)), None),
        (charge(timestamp=Timestamp(seconds=2**62)), None),
        (
            charge(timestamp=Timestamp(seconds=1767225600, nanos=500_000_000)),
            datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
        ),
        (
            VehicleData(
                charge_state=ChargeState(timestamp=Timestamp(seconds=1767225660)),
                closures_state=ClosuresState(timestamp=Timestamp(seconds=1767225600)),
            ),
            datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        ),
    ],
)
def test_time(data: VehicleData, expected: datetime | None) -> None:
    assert data_timestamp(data) == expected
