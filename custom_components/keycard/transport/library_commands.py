"""Commands as method calls of `tesla_fleet_api`."""

from collections.abc import Awaitable, Callable, Mapping

from tesla_fleet_api.tesla import TeslaBluetooth, TeslaFleetApi, VehicleFleet
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from ..vehicle.api_field import (
    COOLED_SEATS,
    KEEPER_MODES,
    OVERHEAT_MODES,
    OVERHEAT_TEMPS,
    SEATS,
)
from ..vehicle.commands import (
    Command,
    CommandCall,
    Params,
    flag_param,
    integer_param,
    number_param,
    text_param,
)

type LibraryVehicle = VehicleFleet[TeslaFleetApi] | VehicleBluetooth[TeslaBluetooth]
type _Method = Callable[[LibraryVehicle, Params], Awaitable[object]]


async def call_library(vehicle: LibraryVehicle, call: CommandCall) -> object:
    """Send a command with the library's method for it."""
    return await _METHODS[call.command](vehicle, call.params)


def _degrees(params: Params, name: str) -> float | None:
    return number_param(params, name) if name in params else None


async def _overheat(vehicle: LibraryVehicle, params: Params) -> object:
    mode = OVERHEAT_MODES[OVERHEAT_MODES.index(text_param(params, "mode"))]
    return await vehicle.set_cabin_overheat_protection(
        on=mode != "off", fan_only=mode == "fan_only"
    )


async def _port(vehicle: LibraryVehicle, params: Params) -> object:
    if flag_param(params, "open"):
        return await vehicle.charge_port_door_open()
    return await vehicle.charge_port_door_close()


async def _charge(vehicle: LibraryVehicle, params: Params) -> object:
    if flag_param(params, "on"):
        return await vehicle.charge_start()
    return await vehicle.charge_stop()


_METHODS: Mapping[Command, _Method] = {
    Command.LOCK: lambda vehicle, _: vehicle.door_lock(),
    Command.UNLOCK: lambda vehicle, _: vehicle.door_unlock(),
    Command.CLIMATE_ON: lambda vehicle, _: vehicle.auto_conditioning_start(),
    Command.CLIMATE_OFF: lambda vehicle, _: vehicle.auto_conditioning_stop(),
    Command.SET_TEMPS: lambda vehicle, params: vehicle.set_temps(
        driver_temp=number_param(params, "driver_temp"),
        passenger_temp=number_param(params, "passenger_temp"),
    ),
    Command.KEEPER: lambda vehicle, params: vehicle.set_climate_keeper_mode(
        KEEPER_MODES.index(text_param(params, "mode"))
    ),
    Command.PRECONDITION_MAX: lambda vehicle, params: vehicle.set_preconditioning_max(
        on=flag_param(params, "on"), manual_override=False
    ),
    Command.OVERHEAT: _overheat,
    Command.OVERHEAT_TEMP: lambda vehicle, params: vehicle.set_cop_temp(
        OVERHEAT_TEMPS.index(integer_param(params, "temp"))
    ),
    Command.SEAT_HEATER: lambda vehicle, params: vehicle.remote_seat_heater_request(
        SEATS[text_param(params, "seat")], integer_param(params, "level")
    ),
    Command.SEAT_COOLER: lambda vehicle, params: vehicle.remote_seat_cooler_request(
        COOLED_SEATS[text_param(params, "seat")], integer_param(params, "level")
    ),
    Command.WHEEL_HEATER: lambda vehicle, params: (
        vehicle.remote_steering_wheel_heat_level_request(integer_param(params, "level"))
    ),
    Command.WHEEL_HEATER_ON: lambda vehicle, params: (
        vehicle.remote_steering_wheel_heater_request(on=flag_param(params, "on"))
    ),
    Command.AUTO_SEAT: lambda vehicle, params: vehicle.remote_auto_seat_climate_request(
        ("left", "right").index(text_param(params, "seat")) + 1,
        flag_param(params, "on"),
    ),
    Command.AUTO_WHEEL: lambda vehicle, params: (
        vehicle.remote_auto_steering_wheel_heat_climate_request(
            on=flag_param(params, "on")
        )
    ),
    Command.BIOWEAPON: lambda vehicle, params: vehicle.set_bioweapon_mode(
        on=flag_param(params, "on"), manual_override=True
    ),
    Command.WINDOWS: lambda vehicle, params: vehicle.window_control(
        "vent" if flag_param(params, "open") else "close",
        lat=_degrees(params, "latitude"),
        lon=_degrees(params, "longitude"),
    ),
    Command.SUN_ROOF: lambda vehicle, params: vehicle.sun_roof_control(
        "vent" if flag_param(params, "open") else "close"
    ),
    Command.FRONT_TRUNK: lambda vehicle, _: vehicle.actuate_trunk("front"),
    Command.REAR_TRUNK: lambda vehicle, _: vehicle.actuate_trunk("rear"),
    Command.PORT: _port,
    Command.CHARGE: _charge,
    Command.CHARGE_LIMIT: lambda vehicle, params: vehicle.set_charge_limit(
        integer_param(params, "percent")
    ),
    Command.CHARGE_AMPS: lambda vehicle, params: vehicle.set_charging_amps(
        integer_param(params, "amps")
    ),
    Command.SENTRY: lambda vehicle, params: vehicle.set_sentry_mode(
        on=flag_param(params, "on")
    ),
    Command.VALET: lambda vehicle, params: vehicle.set_valet_mode(
        on=flag_param(params, "on")
    ),
    Command.GUEST: lambda vehicle, params: vehicle.guest_mode(
        enable=flag_param(params, "on")
    ),
    Command.PIN_TO_DRIVE: lambda vehicle, params: vehicle.set_pin_to_drive(
        on=flag_param(params, "on"), password=""
    ),
    Command.INSTALL_UPDATE: lambda vehicle, _: vehicle.schedule_software_update(
        offset_sec=0
    ),
    Command.FLASH: lambda vehicle, _: vehicle.flash_lights(),
    Command.HONK: lambda vehicle, _: vehicle.honk_horn(),
    Command.KEYLESS_DRIVING: lambda vehicle, _: vehicle.remote_start_drive(),
    Command.HOMELINK: lambda vehicle, params: vehicle.trigger_homelink(
        lat=number_param(params, "latitude"), lon=number_param(params, "longitude")
    ),
    Command.WAKE: lambda vehicle, _: vehicle.wake_up(),
}
