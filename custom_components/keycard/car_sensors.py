"""What the sensors of a car show."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfPressure,
    UnitOfSpeed,
    UnitOfTemperature,
    UnitOfTime,
)
from homeassistant.helpers.typing import StateType

from .connection import Connection
from .const import ATTR_DRILL
from .entity import CarDescription
from .vehicle.fields import CHARGE_SCHEDULES, PARKED, SHIFT_STATES, TYRES
from .vehicle.keys import Key
from .vehicle.state import CarState
from .vehicle.ways import Way
from .views import CarView

type Value = StateType | datetime

ATTR_REACHABLE: Final = "reachable"
ATTR_SCREEN: Final = "screen_over_bluetooth"
ATTR_CLOUD: Final = "cloud"

CHARGING_STATES = {
    "Starting": "starting",
    "Charging": "charging",
    "Stopped": "stopped",
    "Complete": "complete",
    "Disconnected": "disconnected",
    "NoPower": "no_power",
}


@dataclass(frozen=True, kw_only=True)
class CarSensorDescription(SensorEntityDescription, CarDescription):
    """Describes a sensor of a car."""

    value: Callable[[CarView], Value]
    attributes: Callable[[CarView], dict[str, Any]] | None = None


def _known(value: Callable[[CarState], Value]) -> Callable[[CarView], Value]:
    """Read a value of what is known of the car, None if nothing is."""

    def read(view: CarView) -> Value:
        return value(view.known) if view.known else None

    return read


def _told(
    key: str,
    device_class: SensorDeviceClass | None = None,
    unit: str | None = None,
    *,
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    precision: int | None = 0,
    told: Callable[[CarState], object] | None = None,
    value: Callable[[CarState], Value] | None = None,
) -> CarSensorDescription:
    """Describe what a car tells as it is, off by default."""
    return CarSensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=unit,
        options=None if options is None else list(options),
        state_class=state_class,
        suggested_display_precision=precision,
        told=told,
        value=_known(value or attrgetter(key)),
    )


def _word(
    key: str,
    *,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    value: Callable[[CarState], Value] | None = None,
) -> CarSensorDescription:
    """Describe what a car tells in a word, off by default."""
    return _told(
        key,
        SensorDeviceClass.ENUM if options else None,
        state_class=None,
        options=options,
        category=category,
        precision=None,
        value=value,
    )


def _moment(key: str, value: Callable[[CarState], Value]) -> CarSensorDescription:
    """Describe a time that a car tells, off by default."""
    return _told(
        key,
        SensorDeviceClass.TIMESTAMP,
        state_class=None,
        precision=None,
        value=value,
    )


def _charging_state(state: CarState) -> str | None:
    return CHARGING_STATES.get(state.charging_state or "")


def _speed(state: CarState) -> float | None:
    """Return the speed; a parked car tells none."""
    if state.speed is None and state.shift_state == PARKED:
        return 0.0
    return state.speed


def _departure(state: CarState) -> datetime | None:
    """Return the departure that is scheduled; a car remembers its last one."""
    return state.departure_at if state.charge_schedule == "depart_by" else None


def _of_connection(view: CarView) -> dict[str, Any]:
    """Return whether a car is reached, and how the cloud and its screen do."""
    screen = None if view.bluetooth is None else view.bluetooth.infotainment_answers
    return {
        ATTR_DRILL: view.drill,
        ATTR_REACHABLE: view.reachable,
        **({} if view.cloud is None else {ATTR_CLOUD: view.cloud.value}),
        **({} if screen is None else {ATTR_SCREEN: screen}),
    }


MAIN_SENSORS = (
    CarSensorDescription(
        key="key_to_take",
        translation_key="key_to_take",
        device_class=SensorDeviceClass.ENUM,
        options=[key.value for key in Key],
        value=lambda view: view.key_to_take.value,
        attributes=lambda view: {ATTR_DRILL: view.drill},
        watched_too=True,
    ),
    CarSensorDescription(
        key="connection",
        translation_key="connection",
        device_class=SensorDeviceClass.ENUM,
        options=[connection.value for connection in Connection],
        value=lambda view: view.connection.value,
        attributes=_of_connection,
    ),
    CarSensorDescription(
        key="key_tried",
        translation_key="key_tried",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda view: view.key_tried,
        watched_too=True,
    ),
    CarSensorDescription(
        key="last_contact",
        translation_key="last_contact",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda view: view.told_at,
    ),
    CarSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        value=_known(lambda state: state.battery_level),
    ),
    CarSensorDescription(
        key="battery_range",
        translation_key="battery_range",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_known(lambda state: state.battery_range),
    ),
)
BLUETOOTH_SENSORS = (
    CarSensorDescription(
        key="data_source",
        translation_key="data_source",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[way.value for way in Way],
        bluetooth_only=True,
        value=lambda view: view.source and view.source.value,
    ),
    CarSensorDescription(
        key="bluetooth_signal",
        translation_key="bluetooth_signal",
        device_class=SensorDeviceClass.SIGNAL_STRENGTH,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
        state_class=SensorStateClass.MEASUREMENT,
        bluetooth_only=True,
        value=lambda view: view.bluetooth.signal if view.bluetooth else None,
    ),
    CarSensorDescription(
        key="bluetooth_heard",
        translation_key="bluetooth_heard",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        bluetooth_only=True,
        value=lambda view: view.bluetooth.heard_at if view.bluetooth else None,
    ),
)
CHARGING_SENSORS = (
    _word(
        "charging_state",
        options=tuple(CHARGING_STATES.values()),
        value=_charging_state,
    ),
    _told("charger_power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _told("charge_rate", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _told(
        "energy_added",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        # It starts anew with each charge.
        state_class=SensorStateClass.TOTAL_INCREASING,
        precision=1,
    ),
    _told("minutes_to_full", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _word("charge_schedule", options=CHARGE_SCHEDULES),
    _moment("charging_at", lambda state: state.charging_at),
    _moment("departure_at", _departure),
    _told(
        "charger_voltage",
        SensorDeviceClass.VOLTAGE,
        UnitOfElectricPotential.VOLT,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _told(
        "charger_current",
        SensorDeviceClass.CURRENT,
        UnitOfElectricCurrent.AMPERE,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _word("cable_type", category=EntityCategory.DIAGNOSTIC),
    _word("fast_charger_type", category=EntityCategory.DIAGNOSTIC),
)
BATTERY_SENSORS = (
    _told("usable_battery_level", SensorDeviceClass.BATTERY, PERCENTAGE),
    _told("estimated_range", SensorDeviceClass.DISTANCE, UnitOfLength.MILES),
    _told("ideal_range", SensorDeviceClass.DISTANCE, UnitOfLength.MILES),
    _told(
        "energy_remaining",
        SensorDeviceClass.ENERGY_STORAGE,
        UnitOfEnergy.KILO_WATT_HOUR,
        precision=1,
    ),
    _told(
        "lifetime_energy",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        category=EntityCategory.DIAGNOSTIC,
    ),
    *(
        _told(
            f"battery_temp_{end}",
            SensorDeviceClass.TEMPERATURE,
            UnitOfTemperature.CELSIUS,
            category=EntityCategory.DIAGNOSTIC,
            precision=1,
        )
        for end in ("min", "max")
    ),
)
CLIMATE_SENSORS = tuple(
    _told(key, SensorDeviceClass.TEMPERATURE, UnitOfTemperature.CELSIUS, precision=1)
    for key in ("inside_temp", "outside_temp", "target_temp", "passenger_temp")
)
DRIVING_SENSORS = (
    _word("shift_state", options=SHIFT_STATES),
    _told("speed", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR, value=_speed),
    _told("power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _told(
        "odometer",
        SensorDeviceClass.DISTANCE,
        UnitOfLength.MILES,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    _told("speed_limit", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _word("route_destination"),
    _told(
        "route_distance", SensorDeviceClass.DISTANCE, UnitOfLength.MILES, precision=1
    ),
    _told("route_time", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _told("route_delay", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _told("route_battery", SensorDeviceClass.BATTERY, PERCENTAGE),
    *(
        _told(
            f"{place}_pressure",
            SensorDeviceClass.PRESSURE,
            UnitOfPressure.BAR,
            category=EntityCategory.DIAGNOSTIC,
            precision=1,
        )
        for place in TYRES
    ),
)
CAR_SENSORS = (
    *MAIN_SENSORS,
    *BLUETOOTH_SENSORS,
    *CHARGING_SENSORS,
    *BATTERY_SENSORS,
    *CLIMATE_SENSORS,
    *DRIVING_SENSORS,
)
