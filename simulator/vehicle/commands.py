"""Vehicle commands of the Fleet API and their effects on a car."""

from collections.abc import Callable, Mapping
import math
import re
from typing import Protocol

type Parameters = Mapping[str, object]
type CommandResult = tuple[bool, str]
"""The `result` and `reason` of a command reply."""

MAX_DISTANCE = 0.001  # degrees
KEYLESS_DRIVING_SECONDS = 2 * 60.0
DONE: CommandResult = (True, "")
COMFORT_OFF: CommandResult = (False, "cabin comfort remote settings not enabled")


class ControlledCar(Protocol):
    """The state of a car that commands read and change."""

    locked: bool
    climate_on: bool
    driver_temp: float
    passenger_temp: float
    climate_keeper: int
    defrost: bool
    bioweapon_mode: bool
    overheat_protection: str
    overheat_level: int
    seat_heaters: dict[int, int]
    seat_coolers: dict[int, int]
    auto_seats: dict[int, bool]
    steering_wheel_heater: int
    auto_steering_wheel: bool
    windows: dict[str, int]
    sun_roof: str
    front_trunk: bool
    rear_trunk: bool
    sentry_mode: bool
    valet_mode: bool
    valet_pin_set: bool
    guest_mode: bool
    pin_to_drive: bool
    drive_pin: str | None
    charge_port_open: bool
    cable_connected: bool
    cable_latched: bool
    charging: bool
    charge_limit: int
    low_amps: int | None
    battery_level: float
    config: dict[str, object]
    latitude: float
    longitude: float
    available_update: str | None
    install_at: float | None

    @property
    def at_home(self) -> bool:
        """Return whether the car is parked at home."""

    def set_amps(self, amps: int) -> None:
        """Set the charging current, in A."""

    def enable_keyless_driving(self, seconds: float) -> None:
        """Enable keyless driving for a while."""

    def schedule_update(self, seconds: float) -> None:
        """Install the available software update after a delay."""

    def cancel_update(self) -> None:
        """Cancel the scheduled software update."""


type CommandHandler = Callable[[ControlledCar, Parameters], CommandResult]


def _number(body: Parameters, key: str) -> float | None:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _lock(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.locked = True
    return DONE


def _unlock(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.locked = False
    return DONE


def _climate_on(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.climate_on = True
    return DONE


def _climate_off(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.climate_on = car.defrost = car.bioweapon_mode = False
    car.climate_keeper = 0
    return DONE


def _set_temps(car: ControlledCar, body: Parameters) -> CommandResult:
    driver = _number(body, "driver_temp")
    passenger = _number(body, "passenger_temp")
    if driver is None or not 15 <= driver <= 28:
        return False, "invalid_temperature"
    car.driver_temp = driver
    car.passenger_temp = driver if passenger is None else passenger
    return DONE


def _set_keeper(car: ControlledCar, body: Parameters) -> CommandResult:
    mode = _number(body, "climate_keeper_mode")
    if mode not in {0, 1, 2, 3}:
        return False, "invalid_mode"
    car.climate_keeper = int(mode)
    if car.climate_keeper:
        car.climate_on = True
    return DONE


def _set_defrost(car: ControlledCar, body: Parameters) -> CommandResult:
    car.defrost = body.get("on") is True
    if car.defrost:
        car.climate_on = True
    return DONE


def _open_port(car: ControlledCar, _body: Parameters) -> CommandResult:
    if car.cable_connected:
        car.charging = car.cable_latched = False
    car.charge_port_open = True
    return DONE


def _close_port(car: ControlledCar, _body: Parameters) -> CommandResult:
    if not car.config["motorized_charge_port"]:
        return False, "no motorized charge port"
    if car.cable_connected:
        return False, "cable connected"
    car.charge_port_open = False
    return DONE


def _start_charge(car: ControlledCar, _body: Parameters) -> CommandResult:
    if not car.cable_connected:
        return False, "disconnected"
    if car.charging:
        return False, "is_charging"
    if car.battery_level >= car.charge_limit:
        return False, "complete"
    car.charging = car.cable_latched = True
    car.low_amps = None
    return DONE


def _stop_charge(car: ControlledCar, _body: Parameters) -> CommandResult:
    if not car.charging:
        return False, "not_charging"
    car.charging = False
    return DONE


def _set_limit(car: ControlledCar, body: Parameters) -> CommandResult:
    percent = _number(body, "percent")
    if percent is None or not 50 <= percent <= 100:
        return False, "invalid_percent"
    if round(percent) == car.charge_limit:
        return False, "already_set"
    car.charge_limit = round(percent)
    return DONE


def _set_amps(car: ControlledCar, body: Parameters) -> CommandResult:
    amps = _number(body, "charging_amps")
    if amps is None or not 0 <= amps <= 48:
        return False, "invalid_amps"
    car.set_amps(round(amps))
    return DONE


def _set_overheat(car: ControlledCar, body: Parameters) -> CommandResult:
    if body.get("on") is not True:
        car.overheat_protection = "Off"
    else:
        car.overheat_protection = "FanOnly" if body.get("fan_only") is True else "On"
    return DONE


def _set_overheat_level(car: ControlledCar, body: Parameters) -> CommandResult:
    level = _number(body, "cop_temp")
    if level not in {0, 1, 2}:
        return False, "invalid_temperature"
    car.overheat_level = int(level)
    return DONE


def _set_seat_heater(car: ControlledCar, body: Parameters) -> CommandResult:
    seat, level = _number(body, "heater"), _number(body, "level")
    if seat not in car.seat_heaters or level not in {0, 1, 2, 3}:
        return False, "invalid_seat"
    if not car.climate_on:
        return COMFORT_OFF
    car.seat_heaters[int(seat)] = int(level)
    return DONE


def _set_wheel_heater_level(car: ControlledCar, body: Parameters) -> CommandResult:
    level = _number(body, "level")
    if level not in {0, 1, 3}:
        return False, "invalid_level"
    if not car.climate_on:
        return COMFORT_OFF
    car.steering_wheel_heater = int(level)
    return DONE


def _switch_wheel_heater(car: ControlledCar, body: Parameters) -> CommandResult:
    return _set_wheel_heater_level(car, {"level": 3 if body.get("on") is True else 0})


def _set_seat_cooler(car: ControlledCar, body: Parameters) -> CommandResult:
    seat, level = _number(body, "seat_position"), _number(body, "seat_cooler_level")
    if not car.config["has_seat_cooling"]:
        return False, "seat cooling not supported"
    if seat not in car.seat_coolers or level not in {0, 1, 2, 3}:
        return False, "invalid_seat"
    if not car.climate_on:
        return COMFORT_OFF
    car.seat_coolers[int(seat)] = int(level)
    return DONE


def _set_auto_seat(car: ControlledCar, body: Parameters) -> CommandResult:
    seat = _number(body, "auto_seat_position")
    if seat not in car.auto_seats:
        return False, "invalid_seat"
    car.auto_seats[int(seat)] = body.get("auto_climate_on") is True
    return DONE


def _set_auto_wheel(car: ControlledCar, body: Parameters) -> CommandResult:
    car.auto_steering_wheel = body.get("on") is True
    return DONE


def _set_bioweapon(car: ControlledCar, body: Parameters) -> CommandResult:
    car.bioweapon_mode = body.get("on") is True
    if car.bioweapon_mode:
        car.climate_on = True
    return DONE


def _move_windows(car: ControlledCar, body: Parameters) -> CommandResult:
    if body.get("command") not in {"vent", "close"}:
        return False, "invalid_command"
    car.windows = dict.fromkeys(car.windows, int(body["command"] == "vent"))
    return DONE


def _move_sun_roof(car: ControlledCar, body: Parameters) -> CommandResult:
    if car.sun_roof == "unknown":
        return False, "no sun roof"
    if body.get("state") not in {"vent", "close"}:
        return False, "invalid_state"
    car.sun_roof = "vent" if body["state"] == "vent" else "closed"
    return DONE


def _actuate_trunk(car: ControlledCar, body: Parameters) -> CommandResult:
    if not car.config["can_actuate_trunks"]:
        return False, "cannot actuate trunks"
    match body.get("which_trunk"):
        case "front":
            car.front_trunk = True
        case "rear" if body.get("to") == ("open" if car.rear_trunk else "close"):
            return DONE
        case "rear":
            # Without a power liftgate the trunk can only be opened.
            car.rear_trunk = not (car.rear_trunk and car.config["plg"])
        case _:
            return False, "invalid_trunk"
    return DONE


def _set_sentry(car: ControlledCar, body: Parameters) -> CommandResult:
    car.sentry_mode = body.get("on") is True
    return DONE


def _set_valet(car: ControlledCar, body: Parameters) -> CommandResult:
    if body.get("on") is True and not (car.valet_pin_set or body.get("password")):
        return False, "valet_pin_needed"
    car.valet_mode = body.get("on") is True
    car.valet_pin_set = car.valet_pin_set or bool(body.get("password"))
    return DONE


def _reset_valet_pin(car: ControlledCar, _body: Parameters) -> CommandResult:
    if car.valet_mode:
        return False, "valet_mode_active"
    car.valet_pin_set = False
    return DONE


def _set_guest(car: ControlledCar, body: Parameters) -> CommandResult:
    car.guest_mode = body.get("enable") is True
    return DONE


def _set_drive_pin(car: ControlledCar, body: Parameters) -> CommandResult:
    pin = str(body.get("password") or "")
    if car.drive_pin is None and not re.fullmatch(r"\d{4}", pin):
        return False, "invalid_pin"
    if car.drive_pin is not None and pin and pin != car.drive_pin:
        return False, "incorrect_pin"
    car.pin_to_drive = body.get("on") is True
    car.drive_pin = car.drive_pin or pin
    return DONE


def _reset_drive_pin(car: ControlledCar, _body: Parameters) -> CommandResult:
    if car.pin_to_drive:
        return False, "pin_to_drive_active"
    car.drive_pin = None
    return DONE


def _clear_drive_pin(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.pin_to_drive, car.drive_pin = False, None
    return DONE


def is_user_near(car: ControlledCar, body: Parameters) -> bool:
    """Return whether the location in a command is that of the car."""
    latitude, longitude = _number(body, "lat"), _number(body, "lon")
    if latitude is None or longitude is None:
        return False
    return (
        math.dist((latitude, longitude), (car.latitude, car.longitude)) < MAX_DISTANCE
    )


def requires_proximity(command: str, body: Parameters) -> bool:
    """Return whether an unsigned command requires the user to be near the car.

    As Tesla documents for cars before Model 3: closing windows may be unattended, and
    HomeLink opens the garage.
    """
    if command == "window_control":
        return body.get("command") == "close"
    return command == "trigger_homelink"


def _trigger_homelink(car: ControlledCar, _body: Parameters) -> CommandResult:
    return DONE if car.at_home else (False, "homelink not nearby")


def _cancel_update(car: ControlledCar, _body: Parameters) -> CommandResult:
    if car.install_at is None:
        return False, "no_update_scheduled"
    car.cancel_update()
    return DONE


def _install_update(car: ControlledCar, body: Parameters) -> CommandResult:
    seconds = _number(body, "offset_sec")
    if seconds is None or seconds < 0:
        return False, "invalid_offset"
    if car.available_update is None:
        return False, "no_update_available"
    car.schedule_update(seconds)
    return DONE


def _start_keyless_driving(car: ControlledCar, _body: Parameters) -> CommandResult:
    car.enable_keyless_driving(KEYLESS_DRIVING_SECONDS)
    return DONE


def _flash_or_honk(_car: ControlledCar, _body: Parameters) -> CommandResult:
    """Flash or honk, which only counts as executed."""
    return DONE


_CHARGING_HANDLERS: dict[str, CommandHandler] = {
    "charge_port_door_open": _open_port,
    "charge_port_door_close": _close_port,
    "charge_start": _start_charge,
    "charge_stop": _stop_charge,
    "set_charge_limit": _set_limit,
    "set_charging_amps": _set_amps,
}
CHARGING_COMMANDS = frozenset(_CHARGING_HANDLERS)
# Parameters without which Tesla rejects the command; its message is not known.
REQUIRED_PARAMETERS: Mapping[str, str] = {
    "actuate_trunk": "which_trunk",
    "guest_mode": "enable",
    "remote_auto_seat_climate_request": "auto_seat_position",
    "remote_auto_steering_wheel_heat_climate_request": "on",
    "remote_seat_cooler_request": "seat_position",
    "remote_seat_heater_request": "heater",
    "remote_steering_wheel_heat_level_request": "level",
    "remote_steering_wheel_heater_request": "on",
    "schedule_software_update": "offset_sec",
    "set_bioweapon_mode": "on",
    "set_cabin_overheat_protection": "on",
    "set_charge_limit": "percent",
    "set_charging_amps": "charging_amps",
    "set_climate_keeper_mode": "climate_keeper_mode",
    "set_cop_temp": "cop_temp",
    "set_pin_to_drive": "on",
    "set_preconditioning_max": "on",
    "set_sentry_mode": "on",
    "set_temps": "driver_temp",
    "set_valet_mode": "on",
    "sun_roof_control": "state",
    "window_control": "command",
}
# Tesla accepts these as signed commands only.
SIGNED_COMMANDS = frozenset({"reset_pin_to_drive_pin"})
COMMANDS: dict[str, CommandHandler] = _CHARGING_HANDLERS | {
    "actuate_trunk": _actuate_trunk,
    "auto_conditioning_start": _climate_on,
    "auto_conditioning_stop": _climate_off,
    "cancel_software_update": _cancel_update,
    "clear_pin_to_drive_admin": _clear_drive_pin,
    "door_lock": _lock,
    "door_unlock": _unlock,
    "flash_lights": _flash_or_honk,
    "guest_mode": _set_guest,
    "honk_horn": _flash_or_honk,
    "remote_auto_seat_climate_request": _set_auto_seat,
    "remote_auto_steering_wheel_heat_climate_request": _set_auto_wheel,
    "remote_seat_cooler_request": _set_seat_cooler,
    "remote_seat_heater_request": _set_seat_heater,
    "remote_start_drive": _start_keyless_driving,
    "remote_steering_wheel_heat_level_request": _set_wheel_heater_level,
    "remote_steering_wheel_heater_request": _switch_wheel_heater,
    "reset_pin_to_drive_pin": _reset_drive_pin,
    "reset_valet_pin": _reset_valet_pin,
    "schedule_software_update": _install_update,
    "set_bioweapon_mode": _set_bioweapon,
    "set_cabin_overheat_protection": _set_overheat,
    "set_climate_keeper_mode": _set_keeper,
    "set_cop_temp": _set_overheat_level,
    "set_pin_to_drive": _set_drive_pin,
    "set_preconditioning_max": _set_defrost,
    "set_sentry_mode": _set_sentry,
    "set_temps": _set_temps,
    "set_valet_mode": _set_valet,
    "sun_roof_control": _move_sun_roof,
    "trigger_homelink": _trigger_homelink,
    "window_control": _move_windows,
}
