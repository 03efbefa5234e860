"""What a message asks for: in the names that the commands have everywhere else."""

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

from .whitelist import Need


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command as the car executes it; without a name it is a question."""

    command: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    need: Need = Need.DRIVE


class UnknownOrderError(ValueError):
    """The car has no such command."""


_ASK = Order(need=Need.READ)
_KEYS = {
    RKEAction_E.RKE_ACTION_UNLOCK: Order(command="door_unlock", need=Need.LOCK),
    RKEAction_E.RKE_ACTION_LOCK: Order(command="door_lock", need=Need.LOCK),
    RKEAction_E.RKE_ACTION_OPEN_TRUNK: Order(
        command="actuate_trunk", body={"which_trunk": "rear", "to": "open"}
    ),
    RKEAction_E.RKE_ACTION_OPEN_FRUNK: Order(
        command="actuate_trunk", body={"which_trunk": "front"}
    ),
    RKEAction_E.RKE_ACTION_OPEN_CHARGE_PORT: Order(
        command="charge_port_door_open", need=Need.CHARGE
    ),
    RKEAction_E.RKE_ACTION_CLOSE_CHARGE_PORT: Order(
        command="charge_port_door_close", need=Need.CHARGE
    ),
    RKEAction_E.RKE_ACTION_REMOTE_DRIVE: Order(command="remote_start_drive"),
    RKEAction_E.RKE_ACTION_WAKE_VEHICLE: Order(command="wake_up", need=Need.READ),
}
QUESTIONS = frozenset(
    {
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_STATUS,
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO,
        InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO,
    }
)


def orders_in(message: RoutableMessage, payload: bytes | None = None) -> list[Order]:
    """Return what a message asks for, given what it says if that was sealed.

    Raise an UnknownOrderError if the car knows no such thing, a DecodeError if it
    cannot be read.
    """
    if payload is None:
        payload = message.protobuf_message_as_bytes
    if message.to_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY:
        return security_orders(UnsignedMessage.FromString(payload))
    return action_orders(Action.FromString(payload))


def security_orders(message: UnsignedMessage) -> list[Order]:
    """Return what the computer of the locks is asked for."""
    match message.WhichOneof("sub_message"):
        case "RKEAction" if message.RKEAction in _KEYS:
            return [_KEYS[message.RKEAction]]
        case "closureMoveRequest":
            return _moves(message.closureMoveRequest)
        case "InformationRequest" if (
            message.InformationRequest.informationRequestType in QUESTIONS
        ):
            return [_ASK]
        case "WhitelistOperation":
            return [Order(need=Need.KEYS)]
        case name:
            raise UnknownOrderError(name)


_MOVES: dict[tuple[str, int], Order] = {
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_MOVE): Order(
        command="actuate_trunk", body={"which_trunk": "rear"}
    ),
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): Order(
        command="actuate_trunk", body={"which_trunk": "rear", "to": "open"}
    ),
    ("rearTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_CLOSE): Order(
        command="actuate_trunk", body={"which_trunk": "rear", "to": "close"}
    ),
    ("frontTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_MOVE): Order(
        command="actuate_trunk", body={"which_trunk": "front"}
    ),
    ("frontTrunk", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): Order(
        command="actuate_trunk", body={"which_trunk": "front"}
    ),
    ("chargePort", ClosureMoveType_E.CLOSURE_MOVE_TYPE_OPEN): Order(
        command="charge_port_door_open", need=Need.CHARGE
    ),
    ("chargePort", ClosureMoveType_E.CLOSURE_MOVE_TYPE_CLOSE): Order(
        command="charge_port_door_close", need=Need.CHARGE
    ),
}


def _moves(request: ClosureMoveRequest) -> list[Order]:
    moves = [(one.name, value) for one, value in request.ListFields()]
    for move in moves:
        if move not in _MOVES:
            raise UnknownOrderError(move[0])
    return [_MOVES[move] for move in moves]


type Read = Callable[[VehicleAction], Order]


def _order(
    command: str, need: Need = Need.DRIVE, **body: object
) -> Callable[[VehicleAction], Order]:
    order = Order(command=command, body=body, need=need)
    return lambda _: order


def _switch(field_name: str, command: str, *also: str) -> Read:
    """Return a reader of an action that switches something `on`."""

    def read(action: VehicleAction) -> Order:
        switch = getattr(action, field_name)
        body = {key: getattr(switch, key) for key in ("on", *also)}
        return Order(command=command, body=body)

    return read


def _hvac(action: VehicleAction) -> Order:
    way = "start" if action.hvacAutoAction.power_on else "stop"
    return Order(command=f"auto_conditioning_{way}")


def _temperatures(action: VehicleAction) -> Order:
    asked = action.hvacTemperatureAdjustmentAction
    body = {
        # The protocol's numbers are single precision: 21.1 comes as 21.100000381.
        "driver_temp": round(asked.driver_temp_celsius, 2),
        "passenger_temp": round(asked.passenger_temp_celsius, 2),
    }
    return Order(command="set_temps", body=body)


def _charging(action: VehicleAction) -> Order:
    match asked := action.chargingStartStopAction.WhichOneof("charging_action"):
        case "start" | "stop":
            return Order(command=f"charge_{asked}", need=Need.CHARGE)
        case _:
            raise UnknownOrderError(asked)


def _limit(action: VehicleAction) -> Order:
    body = {"percent": action.chargingSetLimitAction.percent}
    return Order(command="set_charge_limit", body=body, need=Need.CHARGE)


def _amps(action: VehicleAction) -> Order:
    body = {"charging_amps": action.setChargingAmpsAction.charging_amps}
    return Order(command="set_charging_amps", body=body, need=Need.CHARGE)


def _keeper(action: VehicleAction) -> Order:
    body = {"climate_keeper_mode": action.hvacClimateKeeperAction.ClimateKeeperAction}
    return Order(command="set_climate_keeper_mode", body=body)


def _overheat_level(action: VehicleAction) -> Order:
    body = {"cop_temp": action.setCopTempAction.copActivationTemp - 1}
    return Order(command="set_cop_temp", body=body)


def _windows(action: VehicleAction) -> Order:
    asked = action.vehicleControlWindowAction.WhichOneof("action")
    return Order(command="window_control", body={"command": asked})


def _roof(action: VehicleAction) -> Order:
    asked = action.vehicleControlSunroofOpenCloseAction.WhichOneof("action")
    return Order(command="sun_roof_control", body={"state": asked})


def _update(action: VehicleAction) -> Order:
    seconds = action.vehicleControlScheduleSoftwareUpdateAction.offset_sec
    return Order(command="schedule_software_update", body={"offset_sec": seconds})


def _wheel(action: VehicleAction) -> Order:
    body = {"on": action.hvacSteeringWheelHeaterAction.power_on}
    return Order(command="remote_steering_wheel_heater_request", body=body)


_WHEEL_LEVELS = {
    StwHeatLevel.StwHeatLevel_Off: 0,
    StwHeatLevel.StwHeatLevel_Low: 1,
    StwHeatLevel.StwHeatLevel_High: 3,
}


def _wheel_level(action: VehicleAction) -> Order:
    level = _WHEEL_LEVELS.get(action.stwHeatLevelAction.stw_heat_level)
    body = {"level": level}
    return Order(command="remote_steering_wheel_heat_level_request", body=body)


def _pin(action: VehicleAction) -> Order:
    asked = action.vehicleControlSetPinToDriveAction
    body = {"on": asked.on, "password": asked.password}
    return Order(command="set_pin_to_drive", body=body, need=Need.PIN)


def _guest(action: VehicleAction) -> Order:
    body = {"enable": action.guestModeAction.GuestModeActive}
    return Order(command="guest_mode", body=body)


def _homelink(action: VehicleAction) -> Order:
    place = action.vehicleControlTriggerHomelinkAction.location
    body = {"lat": place.latitude, "lon": place.longitude}
    return Order(command="trigger_homelink", body=body)


_ACTIONS: dict[str, Read] = {
    "getVehicleData": lambda _: _ASK,
    "ping": lambda _: _ASK,
    "chargePortDoorClose": _order("charge_port_door_close", Need.CHARGE),
    "chargePortDoorOpen": _order("charge_port_door_open", Need.CHARGE),
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
    "vehicleControlCancelSoftwareUpdateAction": _order("cancel_software_update"),
    "vehicleControlFlashLightsAction": _order("flash_lights"),
    "vehicleControlHonkHornAction": _order("honk_horn"),
    "vehicleControlResetPinToDriveAction": _order("reset_pin_to_drive_pin", Need.PIN),
    "vehicleControlResetPinToDriveAdminAction": _order(
        "clear_pin_to_drive_admin", Need.PIN
    ),
    "vehicleControlResetValetPinAction": _order("reset_valet_pin", Need.PIN),
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


def action_orders(action: Action) -> list[Order]:
    """Return what infotainment is asked for."""
    asked = action.vehicleAction
    match name := asked.WhichOneof("vehicle_action_msg"):
        case "hvacSeatHeaterActions":
            return [
                _heat(one) for one in asked.hvacSeatHeaterActions.hvacSeatHeaterAction
            ]
        case "hvacSeatCoolerActions":
            return [
                _cool(one) for one in asked.hvacSeatCoolerActions.hvacSeatCoolerAction
            ]
        case "autoSeatClimateAction":
            return [
                Order(
                    command="remote_auto_seat_climate_request",
                    body={
                        "auto_seat_position": seat.seat_position,
                        "auto_climate_on": seat.on,
                    },
                )
                for seat in asked.autoSeatClimateAction.carseat
            ]
        case str() if name in _ACTIONS:
            return [_ACTIONS[name](asked)]
        case _:
            raise UnknownOrderError(name)


def _heat(action: HvacSeatHeaterActions.HvacSeatHeaterAction) -> Order:
    return Order(
        command="remote_seat_heater_request",
        body={
            "heater": _SEATS.get(action.WhichOneof("seat_position") or ""),
            "level": _SEAT_LEVELS.get(action.WhichOneof("seat_heater_level") or ""),
        },
    )


def _cool(action: HvacSeatCoolerActions.HvacSeatCoolerAction) -> Order:
    return Order(
        command="remote_seat_cooler_request",
        body={
            "seat_position": action.seat_position,
            "seat_cooler_level": action.seat_cooler_level - 1,
        },
    )
