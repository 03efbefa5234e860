"""What a car can be told: how each command is sent, and what holds once it is done."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from tesla_fleet_api.tesla import TeslaBluetooth, TeslaFleetApi, VehicleFleet
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from .computer_keys import Computer
from .fields import (
    COOLED_SEATS,
    KEEPER_MODES,
    OVERHEAT_MODES,
    OVERHEAT_TEMPS,
    SEATS,
    WINDOWS,
)
from .parsing import JsonObject
from .state import VehicleState

type LibraryVehicle = VehicleFleet[TeslaFleetApi] | VehicleBluetooth[TeslaBluetooth]
type Params = Mapping[str, object]
type Changes = dict[str, Any]

CHARGING = frozenset({"Starting", "Charging"})

# With less (A) a car charges only when it is asked twice.
LEAST_AMPS = 5

_LONGEST_REASON = 255

# What Tesla's proxy puts before a vehicle's reason.
_REASON_PREFIX = "car could not execute command: "

# A car's reasons for not doing what holds already.
_ALREADY = frozenset({"already_set", "requested"})


class Command(StrEnum):
    """What a car can be told."""

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


def _nothing(_params: Params, _known: VehicleState) -> Changes:
    return {}


@dataclass(frozen=True, kw_only=True)
class TimeLimit:
    """How long after the press a command may still be sent, in seconds.

    `asleep` holds where the vehicle has to be woken first.
    """

    awake: float = 30.0
    asleep: float = 60.0


# Nobody may find the car open after having gone.
ACCESS_LIMIT = TimeLimit(awake=20.0, asleep=30.0)


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """How a command is sent, and what it changes in what is known of a car.

    `already` are the car's reasons for a refusal that mean that it holds anyway.
    """

    send: Callable[[LibraryVehicle, Params], Awaitable[object]]
    effect: Callable[[Params, VehicleState], Changes] = _nothing
    idempotent_reasons: frozenset[str] = _ALREADY
    signed: bool = False
    """Whether every car takes it only if it is signed."""

    check_data: bool = False
    """Whether servers number its values differently: their yes is no proof."""
    limit: TimeLimit = TimeLimit()
    subject: Callable[[Params], Hashable] = lambda _: None
    """What it sets, so that the last press holds; None where each press counts."""

    near: Callable[[Params], bool] = lambda _: False
    """Whether older cars do it only for a user near them, as a plain command tells."""

    security: bool = False
    """Whether the vehicle security computer takes it when it is signed."""


@dataclass(frozen=True, kw_only=True)
class CommandCall:
    """A command with its parameters."""

    command: Command
    params: Params


def command_call(command: Command, **params: object) -> CommandCall:
    """Return a command with its parameters."""
    return CommandCall(command=command, params=params)


def _number(params: Params, name: str) -> float:
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _whole(params: Params, name: str) -> int:
    return round(_number(params, name))


def _place(params: Params, name: str) -> float | None:
    return _number(params, name) if name in params else None


def _flag(params: Params, name: str) -> bool:
    value = params[name]
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither yes nor no")
    return value


def _text(params: Params, name: str) -> str:
    return str(params[name])


async def _overheat(vehicle: LibraryVehicle, params: Params) -> object:
    mode = OVERHEAT_MODES[OVERHEAT_MODES.index(_text(params, "mode"))]
    return await vehicle.set_cabin_overheat_protection(
        on=mode != "off", fan_only=mode == "fan_only"
    )


async def _port(vehicle: LibraryVehicle, params: Params) -> object:
    if _flag(params, "open"):
        return await vehicle.charge_port_door_open()
    return await vehicle.charge_port_door_close()


async def _charge(vehicle: LibraryVehicle, params: Params) -> object:
    if _flag(params, "on"):
        return await vehicle.charge_start()
    return await vehicle.charge_stop()


def _port_effect(params: Params, known: VehicleState) -> Changes:
    """Let go of a cable when the port opens; whether charging goes on is not told."""
    if not params["open"]:
        return {"port_open": False}
    changes: Changes = {"port_open": True, "cable_locked": False}
    if known.charging_state in CHARGING:
        changes["charging_state"] = None
    return changes


def _charge_effect(params: Params, known: VehicleState) -> Changes:
    charging = known.charging_state in CHARGING
    if params["on"]:
        return {} if charging else {"charging_state": "Starting"}
    return {"charging_state": "Stopped"} if charging else {}


def _amps_effect(params: Params, known: VehicleState) -> Changes:
    """Claim nothing of a current so low that a car that charges takes another first."""
    amps = _whole(params, "amps")
    charging = known.charging_state is None or known.charging_state in CHARGING
    return {"charge_amps": None if amps < LEAST_AMPS and charging else amps}


def _wants_user_near(params: Params) -> bool:
    return not _flag(params, "open")


def _pin_effect(params: Params, known: VehicleState) -> Changes:
    """Claim nothing of a car that does not tell whether it wants the PIN."""
    return {} if known.pin_to_drive is None else {"pin_to_drive": params["on"]}


def _of(*names: str) -> Callable[[Params], Hashable]:
    """Return a subject that some parameters narrow."""
    subject, *narrowed = names
    return lambda params: (subject, *(params[name] for name in narrowed))


COMMANDS: Mapping[Command, CommandSpec] = {
    Command.LOCK: CommandSpec(
        send=lambda car, _: car.door_lock(),
        effect=lambda *_: {"locked": True},
        limit=ACCESS_LIMIT,
        subject=_of("lock"),
        security=True,
    ),
    Command.UNLOCK: CommandSpec(
        send=lambda car, _: car.door_unlock(),
        effect=lambda *_: {"locked": False},
        limit=ACCESS_LIMIT,
        subject=_of("lock"),
        security=True,
    ),
    Command.CLIMATE_ON: CommandSpec(
        send=lambda car, _: car.auto_conditioning_start(),
        effect=lambda *_: {"climate_on": True},
        subject=_of("climate"),
    ),
    Command.CLIMATE_OFF: CommandSpec(
        send=lambda car, _: car.auto_conditioning_stop(),
        effect=lambda *_: {
            "climate_on": False,
            "preconditioning": False,
            "keeper_mode": "off",
        },
        subject=_of("climate"),
    ),
    # driver_temp, passenger_temp: °C
    Command.SET_TEMPS: CommandSpec(
        send=lambda car, params: car.set_temps(
            driver_temp=_number(params, "driver_temp"),
            passenger_temp=_number(params, "passenger_temp"),
        ),
        effect=lambda params, _: {
            "target_temp": params["driver_temp"],
            "passenger_temp": params["passenger_temp"],
        },
        subject=_of("temps"),
    ),
    # mode: one of the keeper modes
    Command.KEEPER: CommandSpec(
        send=lambda car, params: car.set_climate_keeper_mode(
            KEEPER_MODES.index(_text(params, "mode"))
        ),
        effect=lambda params, _: {
            "keeper_mode": params["mode"],
            **({} if params["mode"] == "off" else {"climate_on": True}),
        },
        subject=_of("keeper"),
    ),
    # on
    Command.PRECONDITION_MAX: CommandSpec(
        send=lambda car, params: car.set_preconditioning_max(
            on=_flag(params, "on"), manual_override=False
        ),
        effect=lambda params, _: {
            "preconditioning": params["on"],
            **({"climate_on": True} if params["on"] else {}),
        },
        subject=_of("precondition_max"),
    ),
    # mode: one of the overheat modes
    Command.OVERHEAT: CommandSpec(
        send=_overheat,
        effect=lambda params, _: {"overheat_mode": params["mode"]},
        subject=_of("overheat"),
    ),
    # temp: one of the overheat temperatures
    Command.OVERHEAT_TEMP: CommandSpec(
        send=lambda car, params: car.set_cop_temp(
            OVERHEAT_TEMPS.index(_whole(params, "temp"))
        ),
        effect=lambda params, _: {"overheat_temp": _whole(params, "temp")},
        check_data=True,
        subject=_of("overheat_temp"),
    ),
    # seat: one of the seats that heat; level: 0 to 3
    Command.SEAT_HEATER: CommandSpec(
        send=lambda car, params: car.remote_seat_heater_request(
            SEATS[_text(params, "seat")], _whole(params, "level")
        ),
        effect=lambda params, _: {
            f"seat_heater_{_text(params, 'seat')}": params["level"]
        },
        subject=_of("seat_heater", "seat"),
    ),
    # seat: one of the seats that cool; level: 0 to 3
    Command.SEAT_COOLER: CommandSpec(
        send=lambda car, params: car.remote_seat_cooler_request(
            COOLED_SEATS[_text(params, "seat")], _whole(params, "level")
        ),
        effect=lambda params, _: {
            f"seat_cooler_{_text(params, 'seat')}": params["level"]
        },
        check_data=True,
        subject=_of("seat_cooler", "seat"),
    ),
    # level: 0, 1 or 3
    Command.WHEEL_HEATER: CommandSpec(
        send=lambda car, params: car.remote_steering_wheel_heat_level_request(
            _whole(params, "level")
        ),
        effect=lambda params, _: {"wheel_heater": params["level"]},
        subject=_of("wheel_heater"),
    ),
    # on; for cars without levels
    Command.WHEEL_HEATER_ON: CommandSpec(
        send=lambda car, params: car.remote_steering_wheel_heater_request(
            on=_flag(params, "on")
        ),
        effect=lambda params, _: {"wheel_heater_on": params["on"]},
        subject=_of("wheel_heater"),
    ),
    # seat, which is left or right, and on
    Command.AUTO_SEAT: CommandSpec(
        send=lambda car, params: car.remote_auto_seat_climate_request(
            ("left", "right").index(_text(params, "seat")) + 1, _flag(params, "on")
        ),
        effect=lambda params, _: {f"auto_seat_{_text(params, 'seat')}": params["on"]},
        subject=_of("auto_seat", "seat"),
    ),
    # on
    Command.AUTO_WHEEL: CommandSpec(
        send=lambda car, params: car.remote_auto_steering_wheel_heat_climate_request(
            on=_flag(params, "on")
        ),
        effect=lambda params, _: {"auto_wheel": params["on"]},
        subject=_of("auto_wheel"),
    ),
    # on
    Command.BIOWEAPON: CommandSpec(
        send=lambda car, params: car.set_bioweapon_mode(
            on=_flag(params, "on"), manual_override=True
        ),
        effect=lambda params, _: {
            "bioweapon": params["on"],
            **({"climate_on": True} if params["on"] else {}),
        },
        check_data=True,
        subject=_of("bioweapon"),
    ),
    # open: a gap
    Command.WINDOWS: CommandSpec(
        send=lambda car, params: car.window_control(
            "vent" if _flag(params, "open") else "close",
            lat=_place(params, "latitude"),
            lon=_place(params, "longitude"),
        ),
        effect=lambda params, _: {
            f"{place}_window_open": params["open"] for place in WINDOWS
        },
        near=_wants_user_near,
        limit=ACCESS_LIMIT,
        subject=_of("windows"),
    ),
    # open: a gap
    Command.SUN_ROOF: CommandSpec(
        send=lambda car, params: car.sun_roof_control(
            "vent" if _flag(params, "open") else "close"
        ),
        effect=lambda params, _: {"sun_roof_open": params["open"]},
        limit=ACCESS_LIMIT,
        subject=_of("sun_roof"),
    ),
    Command.FRONT_TRUNK: CommandSpec(
        send=lambda car, _: car.actuate_trunk("front"),
        effect=lambda *_: {"front_trunk_open": True},
        limit=ACCESS_LIMIT,
        subject=_of("front_trunk"),
        security=True,
    ),
    # open: what it will be; a liftgate moves to wherever it is not
    Command.REAR_TRUNK: CommandSpec(
        send=lambda car, _: car.actuate_trunk("rear"),
        effect=lambda params, _: {"rear_trunk_open": params["open"]},
        limit=ACCESS_LIMIT,
        subject=_of("rear_trunk"),
        security=True,
    ),
    # open
    Command.PORT: CommandSpec(
        send=_port,
        effect=_port_effect,
        limit=ACCESS_LIMIT,
        security=True,
        subject=_of("port"),
    ),
    # on
    Command.CHARGE: CommandSpec(
        send=_charge,
        effect=_charge_effect,
        idempotent_reasons=_ALREADY | {"is_charging", "not_charging"},
        subject=_of("charge"),
    ),
    # percent
    Command.CHARGE_LIMIT: CommandSpec(
        send=lambda car, params: car.set_charge_limit(_whole(params, "percent")),
        effect=lambda params, _: {"charge_limit": _whole(params, "percent")},
        subject=_of("charge_limit"),
    ),
    # amps
    Command.CHARGE_AMPS: CommandSpec(
        send=lambda car, params: car.set_charging_amps(_whole(params, "amps")),
        effect=_amps_effect,
        subject=_of("charge_amps"),
    ),
    # on
    Command.SENTRY: CommandSpec(
        send=lambda car, params: car.set_sentry_mode(on=_flag(params, "on")),
        effect=lambda params, _: {"sentry_mode": params["on"]},
        subject=_of("sentry"),
    ),
    # on; the car has the PIN that its owner chose there
    Command.VALET: CommandSpec(
        send=lambda car, params: car.set_valet_mode(on=_flag(params, "on")),
        effect=lambda params, _: {"valet_mode": params["on"]},
        subject=_of("valet"),
    ),
    # on; no car tells whether it is
    Command.GUEST: CommandSpec(
        send=lambda car, params: car.guest_mode(enable=_flag(params, "on")),
        subject=_of("guest"),
    ),
    # on; with the PIN that its owner chose in the car: it would ignore another
    Command.PIN_TO_DRIVE: CommandSpec(
        send=lambda car, params: car.set_pin_to_drive(
            on=_flag(params, "on"), password=""
        ),
        effect=_pin_effect,
        signed=True,
        subject=_of("pin_to_drive"),
    ),
    Command.INSTALL_UPDATE: CommandSpec(
        send=lambda car, _: car.schedule_software_update(offset_sec=0),
        effect=lambda *_: {"update_status": "scheduled"},
    ),
    Command.FLASH: CommandSpec(send=lambda car, _: car.flash_lights()),
    Command.HONK: CommandSpec(send=lambda car, _: car.honk_horn()),
    Command.KEYLESS_DRIVING: CommandSpec(
        send=lambda car, _: car.remote_start_drive(),
        limit=ACCESS_LIMIT,
        security=True,
    ),
    # latitude, longitude: where the car is
    Command.HOMELINK: CommandSpec(
        send=lambda car, params: car.trigger_homelink(
            lat=_number(params, "latitude"), lon=_number(params, "longitude")
        ),
        near=lambda _: True,
        limit=ACCESS_LIMIT,
    ),
    Command.WAKE: CommandSpec(send=lambda car, _: car.wake_up()),
}


class Result(NamedTuple):
    """What a car says came of a command, and its own word for refusing."""

    done: bool
    reason: str | None = None


# What opens or locks something, and the computer that does it.
OPENING: Mapping[Command, Computer] = {
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


def read_result(command: Command, told: JsonObject) -> Result | None:
    """Read what a car said of a command, None if it said neither yes nor no.

    What it refuses because it holds already is done. A yes with an error beside it
    is none, nor is one to a command that is only queued.
    """
    match told.get("result"):
        case True:
            if told.get("error") or told.get("queued"):
                return None
            return Result(done=True)
        case False:
            said = str(told.get("reason") or "").removeprefix(_REASON_PREFIX)
            reason = said[:_LONGEST_REASON] or None
            done = reason in COMMANDS[command].idempotent_reasons
            return Result(done=done, reason=reason)
        case _:
            return None
