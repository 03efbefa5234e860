"""Decode protocol messages into commands of the Fleet API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tesla_protocol.command.car_server_pb2 import (
    Action,
    HvacSeatCoolerActions,
    HvacSeatHeaterActions,
    VehicleAction,
)
from tesla_protocol.command.common_pb2 import StwHeatLevel
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import (
    ClosureMoveRequest,
    ClosureMoveType_E,
    InformationRequestType,
    RKEAction_E,
    UnsignedMessage,
)

from .whitelist import Privilege


@dataclass(frozen=True, kw_only=True)
class DecodedCommand:
    """A command that a car executes; without a name it is a request for data."""

    name: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    privilege: Privilege = Privilege.DRIVE


class UnknownCommandError(ValueError):
    """Error raised for a command that the car does not know."""


_DATA_REQUEST = DecodedCommand(privilege=Privilege.READ)
_RKE_COMMANDS = {
    RKEAction_E.RKE_ACTION_UNLOCK: DecodedCommand(
        name="door_unlock", privilege=Privilege.LOCK
    ),
    RKEAction_E.RKE_ACTION_LOCK: DecodedCommand(
        name="door_lock", privilege=Privilege.LOCK
    ),
    RKEAction_E.RKE_ACTION_OPEN_TRUNK: DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "rear", "to": "open"}
    ),
    RKEAction_E.RKE_ACTION_OPEN_FRUNK: DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "front"}
    ),
    RKEAction_E.RKE_ACTION_OPEN_CHARGE_PORT: DecodedCommand(
        name="charge_port_door_open", privilege=Privilege.CHARGE
    ),
    RKEAction_E.RKE_ACTION_CLOSE_CHARGE_PORT: DecodedCommand(
        name="charge_port_door_close", privilege=Privilege.CHARGE
    ),
    RKEAction_E.RKE_ACTION_REMOTE_DRIVE: DecodedCommand(name="remote_start_drive"),
    RKEAction_E.RKE_ACTION_WAKE_VEHICLE: DecodedCommand(
        name="wake_up", privilege=Privilege.READ
    ),
}
INFORMATION_REQUESTS = frozenset(
    {
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_STATUS,
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO,
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO,
    }
)


def decode_commands(
    message: RoutableMessage, payload: bytes | None = None
) -> list[DecodedCommand]:
    """Return the commands of a message; `payload` is its decrypted content.

    Raise UnknownCommandError for a command that the car does not know, DecodeError for
    an invalid payload.
    """
    if payload is None:
        payload = message.protobuf_message_as_bytes
    if message.to_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY:
        return decode_security_commands(UnsignedMessage.FromString(payload))
    return decode_actions(Action.FromString(payload))


def decode_security_commands(message: UnsignedMessage) -> list[DecodedCommand]:
    """Decode a message to the vehicle security computer."""
    match message.WhichOneof("sub_message"):
        case "RKEAction" if message.RKEAction in _RKE_COMMANDS:
            return [_RKE_COMMANDS[message.RKEAction]]
        case "closureMoveRequest":
            return _closure_moves(message.closureMoveRequest)
        case "InformationRequest" if (
            message.InformationRequest.informationRequestType in INFORMATION_REQUESTS
        ):
            return [_DATA_REQUEST]
        case "WhitelistOperation":
            return [DecodedCommand(privilege=Privilege.KEYS)]
        case name:
            raise UnknownCommandError(name)


_CLOSURE_COMMANDS: dict[tuple[str, int], DecodedCommand] = {
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_MOVE): DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "rear"}
    ),
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "rear", "to": "open"}
    ),
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_CLOSE): DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "rear", "to": "close"}
    ),
    ("frontTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_MOVE): DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "front"}
    ),
    ("frontTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): DecodedCommand(
        name="actuate_trunk", body={"which_trunk": "front"}
    ),
    ("chargePort", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): DecodedCommand(
        name="charge_port_door_open", privilege=Privilege.CHARGE
    ),
    ("chargePort", ClosureMoveType_E.CLOSURE_MOVE_TYPE_CLOSE): DecodedCommand(
        name="charge_port_door_close", privilege=Privilege.CHARGE
    ),
}


def _closure_moves(request: ClosureMoveRequest) -> list[DecodedCommand]:
    moves = [(one.name, value) for one, value in request.ListFields()]
    for closure_move in moves:
        if closure_move not in _CLOSURE_COMMANDS:
            raise UnknownCommandError(closure_move[0])
    return [_CLOSURE_COMMANDS[closure_move] for closure_move in moves]


type ActionDecoder = Callable[[VehicleAction], DecodedCommand]


def _fixed_command(
    command: str, need: Privilege = Privilege.DRIVE, **body: object
) -> Callable[[VehicleAction], DecodedCommand]:
    decoded = DecodedCommand(name=command, body=body, privilege=need)
    return lambda _: decoded


def _switch(field_name: str, command: str, *fields: str) -> ActionDecoder:
    """Return a decoder of an action with an `on` field."""

    def read(action: VehicleAction) -> DecodedCommand:
        switch = getattr(action, field_name)
        body = {key: getattr(switch, key) for key in ("on", *fields)}
        return DecodedCommand(name=command, body=body)

    return read


def _hvac(action: VehicleAction) -> DecodedCommand:
    action_name = "start" if action.hvacAutoAction.power_on else "stop"
    return DecodedCommand(name=f"auto_conditioning_{action_name}")


def _temperatures(action: VehicleAction) -> DecodedCommand:
    adjustment = action.hvacTemperatureAdjustmentAction
    body = {
        # The protocol has single precision: 21.1 arrives as 21.100000381.
        "driver_temp": round(adjustment.driver_temp_celsius, 2),
        "passenger_temp": round(adjustment.passenger_temp_celsius, 2),
    }
    return DecodedCommand(name="set_temps", body=body)


def _charging(action: VehicleAction) -> DecodedCommand:
    match kind := action.chargingStartStopAction.WhichOneof("charging_action"):
        case "start" | "stop":
            return DecodedCommand(name=f"charge_{kind}", privilege=Privilege.CHARGE)
        case _:
            raise UnknownCommandError(kind)


def _limit(action: VehicleAction) -> DecodedCommand:
    body = {"percent": action.chargingSetLimitAction.percent}
    return DecodedCommand(
        name="set_charge_limit", body=body, privilege=Privilege.CHARGE
    )


def _amps(action: VehicleAction) -> DecodedCommand:
    body = {"charging_amps": action.setChargingAmpsAction.charging_amps}
    return DecodedCommand(
        name="set_charging_amps", body=body, privilege=Privilege.CHARGE
    )


def _keeper(action: VehicleAction) -> DecodedCommand:
    body = {"climate_keeper_mode": action.hvacClimateKeeperAction.ClimateKeeperAction}
    return DecodedCommand(name="set_climate_keeper_mode", body=body)


def _overheat_level(action: VehicleAction) -> DecodedCommand:
    body = {"cop_temp": action.setCopTempAction.copActivationTemp - 1}
    return DecodedCommand(name="set_cop_temp", body=body)


def _windows(action: VehicleAction) -> DecodedCommand:
    position = action.vehicleControlWindowAction.WhichOneof("action")
    return DecodedCommand(name="window_control", body={"command": position})


def _roof(action: VehicleAction) -> DecodedCommand:
    position = action.vehicleControlSunroofOpenCloseAction.WhichOneof("action")
    return DecodedCommand(name="sun_roof_control", body={"state": position})


def _update(action: VehicleAction) -> DecodedCommand:
    seconds = action.vehicleControlScheduleSoftwareUpdateAction.offset_sec
    return DecodedCommand(name="schedule_software_update", body={"offset_sec": seconds})


def _wheel(action: VehicleAction) -> DecodedCommand:
    body = {"on": action.hvacSteeringWheelHeaterAction.power_on}
    return DecodedCommand(name="remote_steering_wheel_heater_request", body=body)


_WHEEL_LEVELS = {
    StwHeatLevel.StwHeatLevel_Off: 0,
    StwHeatLevel.StwHeatLevel_Low: 1,
    StwHeatLevel.StwHeatLevel_High: 3,
}


def _wheel_level(action: VehicleAction) -> DecodedCommand:
    level = _WHEEL_LEVELS.get(action.stwHeatLevelAction.stw_heat_level)
    body = {"level": level}
    return DecodedCommand(name="remote_steering_wheel_heat_level_request", body=body)


def _pin(action: VehicleAction) -> DecodedCommand:
    pin_action = action.vehicleControlSetPinToDriveAction
    body = {"on": pin_action.on, "password": pin_action.password}
    return DecodedCommand(name="set_pin_to_drive", body=body, privilege=Privilege.PIN)


def _guest(action: VehicleAction) -> DecodedCommand:
    body = {"enable": action.guestModeAction.GuestModeActive}
    return DecodedCommand(name="guest_mode", body=body)


def _homelink(action: VehicleAction) -> DecodedCommand:
    location = action.vehicleControlTriggerHomelinkAction.location
    body = {"lat": location.latitude, "lon": location.longitude}
    return DecodedCommand(name="trigger_homelink", body=body)


_ACTIONS: dict[str, ActionDecoder] = {
    "getVehicleData": lambda _: _DATA_REQUEST,
    "ping": lambda _: _DATA_REQUEST,
    "chargePortDoorClose": _fixed_command("charge_port_door_close", Privilege.CHARGE),
    "chargePortDoorOpen": _fixed_command("charge_port_door_open", Privilege.CHARGE),
    "chargingSetLimitAction": _limit,
    "chargingStartStopAction": _charging,
    "autoStwHeatAction": _switch(
        "autoStwHeatAction", "remote_auto_steering_wheel_heat_climate_request"
    ),
    "guestModeAction": _guest,
    "hvacAutoAction": _hvac,
    "hvacBioweaponModeAction": _switch(
        "hvacBioweaponModeAction", "set_bioweapon_mode", "manual_override"
    ),
    "hvacClimateKeeperAction": _keeper,
    "hvacSetPreconditioningMaxAction": _switch(
        "hvacSetPreconditioningMaxAction", "set_preconditioning_max", "manual_override"
    ),
    "hvacSteeringWheelHeaterAction": _wheel,
    "hvacTemperatureAdjustmentAction": _temperatures,
    "setCabinOverheatProtectionAction": _switch(
        "setCabinOverheatProtectionAction", "set_cabin_overheat_protection", "fan_only"
    ),
    "setChargingAmpsAction": _amps,
    "setCopTempAction": _overheat_level,
    "stwHeatLevelAction": _wheel_level,
    "vehicleControlCancelSoftwareUpdateAction": _fixed_command(
        "cancel_software_update"
    ),
    "vehicleControlFlashLightsAction": _fixed_command("flash_lights"),
    "vehicleControlHonkHornAction": _fixed_command("honk_horn"),
    "vehicleControlResetPinToDriveAction": _fixed_command(
        "reset_pin_to_drive_pin", Privilege.PIN
    ),
    "vehicleControlResetPinToDriveAdminAction": _fixed_command(
        "clear_pin_to_drive_admin", Privilege.PIN
    ),
    "vehicleControlResetValetPinAction": _fixed_command(
        "reset_valet_pin", Privilege.PIN
    ),
    "vehicleControlScheduleSoftwareUpdateAction": _update,
    "vehicleControlSetPinToDriveAction": _pin,
    "vehicleControlSetSentryModeAction": _switch(
        "vehicleControlSetSentryModeAction", "set_sentry_mode"
    ),
    "vehicleControlSetValetModeAction": _switch(
        "vehicleControlSetValetModeAction", "set_valet_mode", "password"
    ),
    "vehicleControlSunroofOpenCloseAction": _roof,
    "vehicleControlTriggerHomelinkAction": _homelink,
    "vehicleControlWindowAction": _windows,
}
_SEATS = {
    "CAR_SEAT_FRONT_LEFT": 0,
    "CAR_SEAT_FRONT_RIGHT": 1,
    "CAR_SEAT_REAR_LEFT": 2,
    "CAR_SEAT_REAR_CENTER": 4,
    "CAR_SEAT_REAR_RIGHT": 5,
    "CAR_SEAT_THIRD_ROW_LEFT": 7,
    "CAR_SEAT_THIRD_ROW_RIGHT": 8,
}
_SEAT_LEVELS = {
    "SEAT_HEATER_OFF": 0,
    "SEAT_HEATER_LOW": 1,
    "SEAT_HEATER_MED": 2,
    "SEAT_HEATER_HIGH": 3,
}


def decode_actions(action: Action) -> list[DecodedCommand]:
    """Decode an action for infotainment."""
    vehicle_action = action.vehicleAction
    match name := vehicle_action.WhichOneof("vehicle_action_msg"):
        case "hvacSeatHeaterActions":
            return [
                _seat_heater(one)
                for one in vehicle_action.hvacSeatHeaterActions.hvacSeatHeaterAction
            ]
        case "hvacSeatCoolerActions":
            return [
                _seat_cooler(one)
                for one in vehicle_action.hvacSeatCoolerActions.hvacSeatCoolerAction
            ]
        case "autoSeatClimateAction":
            return [
                DecodedCommand(
                    name="remote_auto_seat_climate_request",
                    body={
                        "auto_seat_position": seat.seat_position,
                        "auto_climate_on": seat.on,
                    },
                )
                for seat in vehicle_action.autoSeatClimateAction.carseat
            ]
        case str() if name in _ACTIONS:
            return [_ACTIONS[name](vehicle_action)]
        case _:
            raise UnknownCommandError(name)


def _seat_heater(action: HvacSeatHeaterActions.HvacSeatHeaterAction) -> DecodedCommand:
    return DecodedCommand(
        name="remote_seat_heater_request",
        body={
            "heater": _SEATS.get(action.WhichOneof("seat_position") or ""),
            "level": _SEAT_LEVELS.get(action.WhichOneof("seat_heater_level") or ""),
        },
    )


def _seat_cooler(action: HvacSeatCoolerActions.HvacSeatCoolerAction) -> DecodedCommand:
    return DecodedCommand(
        name="remote_seat_cooler_request",
        body={
            "seat_position": action.seat_position,
            "seat_cooler_level": action.seat_cooler_level - 1,
        },
    )
