"""Vehicle data as protocol messages; fields named as in the Fleet API are copied."""

from collections.abc import Mapping

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tesla_protocol.command.car_server_pb2 import GetVehicleData
from tesla_protocol.command.common_pb2 import (
    ChargePortLatchState,
    LatLong,
    StwHeatLevel,
    Void,
)
from tesla_protocol.command.vehicle_pb2 import (
    ChargeState,
    ClimateState,
    ClosuresState,
    DashCamState,
    DriveState,
    GuiSettings,
    LocationState,
    MediaState,
    ShiftState,
    SoftwareUpdateState,
    TirePressureState,
    VehicleConfig,
    VehicleData,
    VehicleState,
)

from ..vehicle import payloads
from ..vehicle.car import Car

_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
_WHEEL_LEVELS = {
    0: StwHeatLevel.StwHeatLevel_Off,
    1: StwHeatLevel.StwHeatLevel_Low,
    3: StwHeatLevel.StwHeatLevel_High,
}
_KEEPER_MODES = ("Off", "On", "Dog", "Party")
_OVERHEAT_MODES = {
    "Off": ClimateState.CabinOverheatProtectionOff,
    "On": ClimateState.CabinOverheatProtectionOn,
    "FanOnly": ClimateState.CabinOverheatProtectionFanOnly,
}
_OVERHEAT_LEVELS = (
    ClimateState.CopActivationTempLow,
    ClimateState.CopActivationTempMedium,
    ClimateState.CopActivationTempHigh,
)
_UPDATE_STATUSES = {
    "available": "Available",
    "scheduled": "Scheduled",
    "installing": "Installing",
}


def vehicle_data(car: Car, request: GetVehicleData, timestamp: float) -> VehicleData:
    """Return the requested states."""
    car.advance()
    data = VehicleData()
    at = int(timestamp * 1000)
    if request.HasField("getChargeState"):
        data.charge_state.CopyFrom(_charge(car, at))
    if request.HasField("getClimateState"):
        data.climate_state.CopyFrom(_climate(car, at))
    if request.HasField("getDriveState"):
        data.drive_state.CopyFrom(_drive(car, at))
    if request.HasField("getLocationState"):
        data.location_state.CopyFrom(_location(car, at))
    if request.HasField("getClosuresState"):
        data.closures_state.CopyFrom(_closures(car, at))
    if request.HasField("getTirePressureState"):
        data.tire_pressure_state.CopyFrom(_tires(car, at))
    if request.HasField("getMediaState"):
        data.media_state.CopyFrom(_media(car, at))
    if request.HasField("getSoftwareUpdateState"):
        data.software_update_state.CopyFrom(_update(car, at))
    if request.HasField("getGuiSettings"):
        data.gui_settings.CopyFrom(GuiSettings(timestamp=_timestamp(at)))
    if request.HasField("getVehicleConfig"):
        config = VehicleConfig()
        _fill(config, car.config)
        data.vehicle_config.CopyFrom(config)
    if request.HasField("getLegacyVehicleState"):
        data.legacy_vehicle_state.CopyFrom(_vehicle(car, at))
    return data


def _fill(message: Message, values: Mapping[str, object]) -> None:
    for one in message.DESCRIPTOR.fields:
        value = values.get(one.name)
        if value is None or one.is_repeated:
            continue
        match one.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL if isinstance(value, bool | int):
                setattr(message, one.name, bool(value))
            case FieldDescriptor.CPPTYPE_STRING if isinstance(value, str):
                setattr(message, one.name, value)
            case FieldDescriptor.CPPTYPE_MESSAGE if isinstance(value, dict):
                _fill(getattr(message, one.name), value)
            case kind if kind in _INTEGERS and isinstance(value, int | float):
                setattr(message, one.name, int(value))
            case kind if kind in _FLOATS and isinstance(value, int | float):
                setattr(message, one.name, float(value))


def _timestamp(at: int) -> Timestamp:
    return Timestamp(seconds=at // 1000, nanos=at % 1000 * 1_000_000)


def _charge(car: Car, at: int) -> ChargeState:
    values = payloads.charge_state(car, at)
    state = ChargeState(
        timestamp=_timestamp(at),
        charging_state=_oneof(ChargeState.ChargingState, str(values["charging_state"])),
        conn_charge_cable=_oneof(
            ChargeState.CableType, "IEC" if car.cable_connected else "SNA"
        ),
        fast_charger_type=_oneof(
            ChargeState.ChargerType, "ACSingleWireCAN" if car.cable_connected else "SNA"
        ),
        scheduled_charging_mode=ChargeState.ScheduledChargingModeOff,
        charge_rate_mph_float=payloads.charge_rate(car),
        charge_port_latch=_oneof(
            ChargePortLatchState, "Engaged" if car.cable_latched else "Disengaged"
        ),
        charging_amps=car.charge_amps,
    )
    _fill(state, values)
    return state


def _climate(car: Car, at: int) -> ClimateState:
    state = ClimateState(
        timestamp=_timestamp(at),
        inside_temp_celsius=round(car.inside_temp, 1),
        outside_temp_celsius=round(car.outside_temp, 1),
        min_avail_temp_celsius=15,
        max_avail_temp_celsius=28,
        climate_keeper_mode=_oneof(
            ClimateState.ClimateKeeperMode, _KEEPER_MODES[car.climate_keeper]
        ),
        defrost_mode=_oneof(ClimateState.DefrostMode, "Max" if car.defrost else "Off"),
        cabin_overheat_protection=_OVERHEAT_MODES[car.overheat_protection],
        cop_activation_temperature=_OVERHEAT_LEVELS[car.overheat_level],
        bioweapon_mode_on=car.bioweapon_mode if car.is_model_s_or_x else None,
    )
    values = payloads.climate_state(car, at)
    has_levels = values.pop("steering_wheel_heat_level", None) is not None
    del values["cabin_overheat_protection"]
    _fill(state, values)
    if has_levels:
        state.steering_wheel_heat_level = _WHEEL_LEVELS[car.steering_wheel_heater]
    return state


def _drive(car: Car, at: int) -> DriveState:
    state = DriveState(
        timestamp=_timestamp(at),
        shift_state=_oneof(ShiftState, "P" if car.speed is None else "D"),
        odometer_in_hundredths_of_a_mile=round(car.odometer * 100),
        active_route_coordinates=LatLong(
            latitude=car.home_position[0], longitude=car.home_position[1]
        ),
    )
    _fill(state, payloads.drive_state(car, at))
    return state


def _location(car: Car, at: int) -> LocationState:
    state = LocationState(
        timestamp=_timestamp(at),
        native_type=_oneof(LocationState.GPSCoordinateType, "WGS"),
    )
    _fill(state, payloads.drive_state(car, at))
    if car.is_model_s_or_x:
        state.homelink_nearby = car.at_home
    return state


def _closures(car: Car, at: int) -> ClosuresState:
    display = "On" if car.user_present else "Off"
    sun_roof = {"closed": "Closed", "vent": "Vent"}.get(car.sun_roof, "Unknown")
    state = ClosuresState(
        timestamp=_timestamp(at),
        door_open_driver_front=car.doors["df"],
        door_open_driver_rear=car.doors["dr"],
        door_open_passenger_front=car.doors["pf"],
        door_open_passenger_rear=car.doors["pr"],
        door_open_trunk_front=car.front_trunk,
        door_open_trunk_rear=car.rear_trunk,
        window_open_driver_front=bool(car.windows["fd_window"]),
        window_open_passenger_front=bool(car.windows["fp_window"]),
        window_open_driver_rear=bool(car.windows["rd_window"]),
        window_open_passenger_rear=bool(car.windows["rp_window"]),
        sun_roof_state=_oneof(ClosuresState.SunRoofState, sun_roof),
        center_display_state=_oneof(ClosuresState.DisplayState, display),
        sentry_mode_state=_oneof(
            ClosuresState.SentryModeState, "Armed" if car.sentry_mode else "Off"
        ),
    )
    _fill(state, payloads.vehicle_state(car, at))
    return state


def _tires(car: Car, at: int) -> TirePressureState:
    state = TirePressureState(timestamp=_timestamp(at))
    _fill(state, payloads.vehicle_state(car, at))
    return state


def _media(car: Car, at: int) -> MediaState:
    state = MediaState(timestamp=_timestamp(at))
    values = payloads.vehicle_state(car, at)
    for part in ("media_info", "media_state"):
        if isinstance(section := values[part], dict):
            _fill(state, section)
    return state


def _update(car: Car, at: int) -> SoftwareUpdateState:
    update = _oneof(
        SoftwareUpdateState.SoftwareUpdateStatus,
        _UPDATE_STATUSES.get(car.update_status, "Unknown"),
    )
    state = SoftwareUpdateState(timestamp=_timestamp(at), status=update)
    values = payloads.vehicle_state(car, at)["software_update"]
    if isinstance(values, dict):
        _fill(state, {key: one for key, one in values.items() if key != "status"})
    return state


def _vehicle(car: Car, at: int) -> VehicleState:
    state = VehicleState(
        timestamp=_timestamp(at),
        software_update_state=_update(car, at),
        guestMode=VehicleState.GuestMode(GuestModeActive=car.guest_mode),
        pin_to_drive_enabled=car.pin_to_drive,
        pin_to_drive_pin_set=car.drive_pin is not None,
        dashcam_state=DashCamState.DashCamState_RECORDING
        if car.user_present
        else DashCamState.DashCamState_UNAVAILABLE,
    )
    _fill(state, payloads.vehicle_state(car, at))
    return state


def _oneof[T: Message](kind: type[T], name: str) -> T:
    """Return a message with the named member of a oneof set."""
    message: T = kind(**{name: Void()})
    return message
