"""Vehicle commands and their effects."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .api_field import WINDOWS
from .computer_keys import Computer
from .deadlines import ACCESS_LIMIT, DEFAULT_LIMIT, TimeLimit
from .state import VehicleConfig, VehicleState

type Params = Mapping[str, object]
type Changes = dict[str, Any]

CHARGING_STATES = frozenset({"Starting", "Charging"})

# Below this current (A) the command must be sent twice.
MIN_SINGLE_COMMAND_AMPS = 5

# Rejection reasons that mean that the effect is already in place.
_ALREADY_DONE_REASONS = frozenset({"already_set", "requested"})


class Command(StrEnum):
    """A vehicle command."""

    LOCK = "lock"
    UNLOCK = "unlock"
    CLIMATE_ON = "climate_on"
    CLIMATE_OFF = "climate_off"
    SET_TEMPS = "set_temps"
    KEEPER = "keeper"
    PRECONDITION_MAX = "precondition_max"
    OVERHEAT = "overheat"
    OVERHEAT_TEMP = "overheat_temp"
    SEAT_HEATER = "seat_heater"
    SEAT_COOLER = "seat_cooler"
    WHEEL_HEATER = "wheel_heater"
    WHEEL_HEATER_ON = "wheel_heater_on"
    AUTO_SEAT = "auto_seat"
    AUTO_WHEEL = "auto_wheel"
    BIOWEAPON = "bioweapon"
    WINDOWS = "windows"
    SUN_ROOF = "sun_roof"
    FRONT_TRUNK = "front_trunk"
    REAR_TRUNK = "rear_trunk"
    PORT = "port"
    CHARGE = "charge"
    CHARGE_LIMIT = "charge_limit"
    CHARGE_AMPS = "charge_amps"
    SENTRY = "sentry"
    VALET = "valet"
    GUEST = "guest"
    PIN_TO_DRIVE = "pin_to_drive"
    INSTALL_UPDATE = "install_update"
    FLASH = "flash"
    HONK = "honk"
    KEYLESS_DRIVING = "keyless_driving"
    HOMELINK = "homelink"
    WAKE = "wake"


def _no_effect(_params: Params, _state: VehicleState) -> Changes:
    return {}


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """Describes a command and its effect on the state of a vehicle."""

    effect: Callable[[Params, VehicleState], Changes] = _no_effect
    """Return the fields that the command changes."""

    idempotent_reasons: frozenset[str] = _ALREADY_DONE_REASONS
    """Rejection reasons that mean that the effect is already in place."""

    requires_signing: bool = False
    """Whether every vehicle requires it to be signed."""

    check_data: bool = False
    """Whether proxies number its values differently, so that data must confirm it."""

    toggles: Callable[[VehicleConfig | None], bool] = lambda _: False
    """Return whether it reverses its effect on a vehicle where that holds already."""

    limit: TimeLimit = DEFAULT_LIMIT
    subject: Callable[[Params], Hashable] = lambda _: None
    """Return the function that it sets (the last wins), None if every press counts."""

    needs_location: Callable[[Params], bool] = lambda _: False
    """Return whether older vehicles require the user's location if it is unsigned."""

    vehicle_security: bool = False
    """Whether the vehicle security computer executes it if it is signed."""


@dataclass(frozen=True, kw_only=True)
class CommandCall:
    """A command with its parameters."""

    command: Command
    params: Params


def command_call(command: Command, **params: object) -> CommandCall:
    """Return a command with its parameters."""
    return CommandCall(command=command, params=params)


def number_param(params: Params, name: str) -> float:
    """Return a numeric parameter."""
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def integer_param(params: Params, name: str) -> int:
    """Return a numeric parameter, rounded."""
    return round(number_param(params, name))


def flag_param(params: Params, name: str) -> bool:
    """Return a boolean parameter."""
    value = params[name]
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not a boolean")
    return value


def text_param(params: Params, name: str) -> str:
    """Return a parameter as text."""
    return str(params[name])


def _port_effect(params: Params, state: VehicleState) -> Changes:
    """Return that an open port releases the cable and ends charging."""
    if not params["open"]:
        return {"port_open": False}
    changes: Changes = {"port_open": True, "cable_locked": False}
    if state.charging_state in CHARGING_STATES:
        changes["charging_state"] = None
    return changes


def _charge_effect(params: Params, state: VehicleState) -> Changes:
    charging = state.charging_state in CHARGING_STATES
    if params["on"]:
        return {} if charging else {"charging_state": "Starting"}
    return {"charging_state": "Stopped"} if charging else {}


def _amps_effect(params: Params, state: VehicleState) -> Changes:
    """Return the current, unknown if so low that a charging vehicle sets another."""
    amps = integer_param(params, "amps")
    charging = state.charging_state is None or state.charging_state in CHARGING_STATES
    return {
        "charge_amps": None if amps < MIN_SINGLE_COMMAND_AMPS and charging else amps
    }


def _is_closing(params: Params) -> bool:
    return not flag_param(params, "open")


def _has_liftgate(config: VehicleConfig | None) -> bool:
    return config is None or config.power_liftgate


def _pin_effect(params: Params, state: VehicleState) -> Changes:
    """Return no effect if the vehicle does not report PIN to Drive."""
    return {} if state.pin_to_drive is None else {"pin_to_drive": params["on"]}


def _subject(*names: str) -> Callable[[Params], Hashable]:
    """Return a function for a subject with the values of some parameters."""
    subject, *narrowed = names
    return lambda params: (subject, *(params[name] for name in narrowed))


COMMANDS: Mapping[Command, CommandSpec] = {
    Command.LOCK: CommandSpec(
        effect=lambda *_: {"locked": True},
        limit=ACCESS_LIMIT,
        subject=_subject("lock"),
        vehicle_security=True,
    ),
    Command.UNLOCK: CommandSpec(
        effect=lambda *_: {"locked": False},
        limit=ACCESS_LIMIT,
        subject=_subject("lock"),
        vehicle_security=True,
    ),
    Command.CLIMATE_ON: CommandSpec(
        effect=lambda *_: {"climate_on": True},
        subject=_subject("climate"),
    ),
    Command.CLIMATE_OFF: CommandSpec(
        effect=lambda *_: {
            "climate_on": False,
            "preconditioning": False,
            "keeper_mode": "off",
        },
        subject=_subject("climate"),
    ),
    # driver_temp, passenger_temp: °C
    Command.SET_TEMPS: CommandSpec(
        effect=lambda params, _: {
            "target_temp": params["driver_temp"],
            "passenger_temp": params["passenger_temp"],
        },
        subject=_subject("temps"),
    ),
    # mode: one of the keeper modes
    Command.KEEPER: CommandSpec(
        effect=lambda params, _: {
            "keeper_mode": params["mode"],
            **({} if params["mode"] == "off" else {"climate_on": True}),
        },
        subject=_subject("keeper"),
    ),
    # on
    Command.PRECONDITION_MAX: CommandSpec(
        effect=lambda params, _: {
            "preconditioning": params["on"],
            **({"climate_on": True} if params["on"] else {}),
        },
        subject=_subject("precondition_max"),
    ),
    # mode: one of the overheat modes
    Command.OVERHEAT: CommandSpec(
        effect=lambda params, _: {"overheat_mode": params["mode"]},
        subject=_subject("overheat"),
    ),
    # temp: one of the overheat temperatures
    Command.OVERHEAT_TEMP: CommandSpec(
        effect=lambda params, _: {"overheat_temp": integer_param(params, "temp")},
        check_data=True,
        subject=_subject("overheat_temp"),
    ),
    # seat: one of the seats that heat; level: 0 to 3
    Command.SEAT_HEATER: CommandSpec(
        effect=lambda params, _: {
            f"seat_heater_{text_param(params, 'seat')}": params["level"]
        },
        subject=_subject("seat_heater", "seat"),
    ),
    # seat: one of the seats that cool; level: 0 to 3
    Command.SEAT_COOLER: CommandSpec(
        effect=lambda params, _: {
            f"seat_cooler_{text_param(params, 'seat')}": params["level"]
        },
        check_data=True,
        subject=_subject("seat_cooler", "seat"),
    ),
    # level: 0, 1 or 3
    Command.WHEEL_HEATER: CommandSpec(
        effect=lambda params, _: {"wheel_heater": params["level"]},
        subject=_subject("wheel_heater"),
    ),
    # on; for vehicles without levels
    Command.WHEEL_HEATER_ON: CommandSpec(
        effect=lambda params, _: {"wheel_heater_on": params["on"]},
        subject=_subject("wheel_heater"),
    ),
    # seat, which is left or right, and on
    Command.AUTO_SEAT: CommandSpec(
        effect=lambda params, _: {
            f"auto_seat_{text_param(params, 'seat')}": params["on"]
        },
        subject=_subject("auto_seat", "seat"),
    ),
    # on
    Command.AUTO_WHEEL: CommandSpec(
        effect=lambda params, _: {"auto_wheel": params["on"]},
        subject=_subject("auto_wheel"),
    ),
    # on
    Command.BIOWEAPON: CommandSpec(
        effect=lambda params, _: {
            "bioweapon": params["on"],
            **({"climate_on": True} if params["on"] else {}),
        },
        check_data=True,
        subject=_subject("bioweapon"),
    ),
    # open: a gap
    Command.WINDOWS: CommandSpec(
        effect=lambda params, _: {
            f"{place}_window_open": params["open"] for place in WINDOWS
        },
        needs_location=_is_closing,
        limit=ACCESS_LIMIT,
        subject=_subject("windows"),
    ),
    # open: a gap
    Command.SUN_ROOF: CommandSpec(
        effect=lambda params, _: {"sun_roof_open": params["open"]},
        limit=ACCESS_LIMIT,
        subject=_subject("sun_roof"),
    ),
    Command.FRONT_TRUNK: CommandSpec(
        effect=lambda *_: {"front_trunk_open": True},
        limit=ACCESS_LIMIT,
        subject=_subject("front_trunk"),
        vehicle_security=True,
    ),
    # open: the state afterwards
    Command.REAR_TRUNK: CommandSpec(
        toggles=_has_liftgate,
        effect=lambda params, _: {"rear_trunk_open": params["open"]},
        limit=ACCESS_LIMIT,
        subject=_subject("rear_trunk"),
        vehicle_security=True,
    ),
    # open
    Command.PORT: CommandSpec(
        effect=_port_effect,
        limit=ACCESS_LIMIT,
        vehicle_security=True,
        subject=_subject("port"),
    ),
    # on
    Command.CHARGE: CommandSpec(
        effect=_charge_effect,
        idempotent_reasons=_ALREADY_DONE_REASONS | {"is_charging", "not_charging"},
        subject=_subject("charge"),
    ),
    # percent
    Command.CHARGE_LIMIT: CommandSpec(
        effect=lambda params, _: {"charge_limit": integer_param(params, "percent")},
        subject=_subject("charge_limit"),
    ),
    # amps
    Command.CHARGE_AMPS: CommandSpec(
        effect=_amps_effect,
        subject=_subject("charge_amps"),
    ),
    # on
    Command.SENTRY: CommandSpec(
        effect=lambda params, _: {"sentry_mode": params["on"]},
        subject=_subject("sentry"),
    ),
    # on; with the PIN that was set in the vehicle
    Command.VALET: CommandSpec(
        effect=lambda params, _: {"valet_mode": params["on"]},
        subject=_subject("valet"),
    ),
    # on; vehicles do not report it
    Command.GUEST: CommandSpec(
        subject=_subject("guest"),
    ),
    # on; with the PIN that was set in the vehicle, which ignores any other
    Command.PIN_TO_DRIVE: CommandSpec(
        effect=_pin_effect,
        requires_signing=True,
        subject=_subject("pin_to_drive"),
    ),
    Command.INSTALL_UPDATE: CommandSpec(
        effect=lambda *_: {"update_status": "scheduled"},
    ),
    Command.FLASH: CommandSpec(),
    Command.HONK: CommandSpec(),
    Command.KEYLESS_DRIVING: CommandSpec(
        limit=ACCESS_LIMIT,
        vehicle_security=True,
    ),
    # latitude, longitude: of the vehicle
    Command.HOMELINK: CommandSpec(
        needs_location=lambda _: True,
        limit=ACCESS_LIMIT,
    ),
    Command.WAKE: CommandSpec(),
}


# Commands that give or deny access, and the computer that executes each.
ACCESS_COMMANDS: Mapping[Command, Computer] = {
    **dict.fromkeys(
        (
            Command.LOCK,
            Command.UNLOCK,
            Command.FRONT_TRUNK,
            Command.REAR_TRUNK,
            Command.PORT,
            Command.KEYLESS_DRIVING,
        ),
        Computer.VEHICLE_SECURITY,
    ),
    **dict.fromkeys(
        (Command.WINDOWS, Command.SUN_ROOF, Command.HOMELINK), Computer.INFOTAINMENT
    ),
}
