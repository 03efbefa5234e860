"""Tests of the effects of commands."""

from dataclasses import fields
from typing import Any

import pytest

from custom_components.keycard.vehicle.commands import COMMANDS, Command
from custom_components.keycard.vehicle.state import VehicleState

from .recorded import VIN

WINDOWS = (
    "front_driver_window_open",
    "front_passenger_window_open",
    "rear_driver_window_open",
    "rear_passenger_window_open",
)


def test_every_command_has_a_spec() -> None:
    assert set(COMMANDS) == set(Command)


@pytest.mark.parametrize(
    ("command", "params", "known", "changes"),
    [
        (Command.LOCK, {}, {}, {"locked": True}),
        (Command.UNLOCK, {}, {}, {"locked": False}),
        (Command.OVERHEAT, {"mode": "on"}, {}, {"overheat_mode": "on"}),
        (Command.OVERHEAT_TEMP, {"temp": 30.0}, {}, {"overheat_temp": 30}),
        (
            Command.SEAT_HEATER,
            {"seat": "rear_left", "level": 2},
            {},
            {"seat_heater_rear_left": 2},
        ),
        (
            Command.SEAT_COOLER,
            {"seat": "left", "level": 1},
            {},
            {"seat_cooler_left": 1},
        ),
        (Command.WHEEL_HEATER, {"level": 3}, {}, {"wheel_heater": 3}),
        (Command.WHEEL_HEATER_ON, {"on": True}, {}, {"wheel_heater_on": True}),
        (
            Command.AUTO_SEAT,
            {"seat": "left", "on": False},
            {},
            {"auto_seat_left": False},
        ),
        (Command.AUTO_WHEEL, {"on": True}, {}, {"auto_wheel": True}),
        (
            Command.BIOWEAPON,
            {"on": True},
            {},
            {"bioweapon": True, "climate_on": True},
        ),
        (Command.BIOWEAPON, {"on": False}, {}, {"bioweapon": False}),
        (Command.WINDOWS, {"open": True}, {}, dict.fromkeys(WINDOWS, True)),
        (Command.SUN_ROOF, {"open": True}, {}, {"sun_roof_open": True}),
        (Command.FRONT_TRUNK, {}, {}, {"front_trunk_open": True}),
        (Command.REAR_TRUNK, {"open": False}, {}, {"rear_trunk_open": False}),
        (
            Command.PORT,
            {"open": True},
            {"charging_state": "Stopped"},
            {"port_open": True, "cable_locked": False},
        ),
        (
            Command.PORT,
            {"open": True},
            {"charging_state": "Charging"},
            {"port_open": True, "cable_locked": False, "charging_state": None},
        ),
        (Command.PORT, {"open": False}, {}, {"port_open": False}),
        (
            Command.CHARGE,
            {"on": True},
            {"charging_state": "Stopped"},
            {"charging_state": "Starting"},
        ),
        (Command.CHARGE, {"on": True}, {"charging_state": "Charging"}, {}),
        (
            Command.CHARGE,
            {"on": False},
            {"charging_state": "Charging"},
            {"charging_state": "Stopped"},
        ),
        (Command.CHARGE, {"on": False}, {"charging_state": "Disconnected"}, {}),
        (Command.CHARGE_LIMIT, {"percent": 85.0}, {}, {"charge_limit": 85}),
        (Command.CHARGE_AMPS, {"amps": 8.0}, {}, {"charge_amps": 8}),
        (Command.SENTRY, {"on": True}, {}, {"sentry_mode": True}),
        (Command.VALET, {"on": True}, {}, {"valet_mode": True}),
        (Command.GUEST, {"on": True}, {}, {}),
        (Command.PIN_TO_DRIVE, {"on": True}, {}, {}),
        (
            Command.PIN_TO_DRIVE,
            {"on": True},
            {"pin_to_drive": False},
            {"pin_to_drive": True},
        ),
        (Command.INSTALL_UPDATE, {}, {}, {"update_status": "scheduled"}),
        (Command.FLASH, {}, {}, {}),
        (Command.HONK, {}, {}, {}),
        (Command.KEYLESS_DRIVING, {}, {}, {}),
        (Command.HOMELINK, {"latitude": 52.4, "longitude": 13.8}, {}, {}),
        (Command.WAKE, {}, {}, {}),
    ],
)
def test_effects(
    command: Command,
    params: dict[str, Any],
    known: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    found = COMMANDS[command].effect(params, VehicleState(vin=VIN, **known))
    assert found == changes
    assert set(found) <= {item.name for item in fields(VehicleState)}
