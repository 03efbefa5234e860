"""Sensors for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
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
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .const import ATTR_DRILL, ATTR_REACHABLE
from .coordinator import KeycardConfigEntry
from .cost.pricing import CURRENCY, Charge
from .entity import (
    CloudEntity,
    VehicleEntity,
    VehicleEntityDescription,
    async_add_vehicle_entities,
)
from .outage.models import Scope, Status
from .outage.outage_log import Outage, OutageLog
from .outage.uptime import UptimeStats
from .runtime.presentation import CloudData, Connection, VehicleData
from .runtime.storage import DATA_STORE
from .vehicle.api_field import CHARGE_SCHEDULES, PARKED, SHIFT_STATES, TIRES
from .vehicle.keys import PhysicalKey
from .vehicle.state import Transport, VehicleState

# Entities read the data of their coordinator.
PARALLEL_UPDATES = 0

ATTR_CLOUD: Final = "cloud"
ATTR_READINESS: Final = "readiness"
ATTR_SCREEN: Final = "screen_over_bluetooth"

# The statistics change slowly, and the recorder stores each change of a state.
HISTORY_INTERVAL = timedelta(minutes=5)

CHARGING_STATES = {
    "Starting": "starting",
    "Charging": "charging",
    "Stopped": "stopped",
    "Complete": "complete",
    "Disconnected": "disconnected",
    "NoPower": "no_power",
}

type SensorValue = StateType | datetime


@dataclass(frozen=True, kw_only=True)
class CloudSensorDescription(SensorEntityDescription):
    """Describe a sensor of the cloud."""

    value_fn: Callable[[CloudData], SensorValue]
    attributes_fn: Callable[[CloudData], dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class UptimeSensorDescription(SensorEntityDescription):
    """Describe a sensor of the uptime over the last `days`."""

    days: int
    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    native_unit_of_measurement: str | None = PERCENTAGE
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT
    suggested_display_precision: int | None = 2


@dataclass(frozen=True, kw_only=True)
class LastOutageSensorDescription(SensorEntityDescription):
    """Describe a sensor of the last outage that ended."""

    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    value_fn: Callable[[Outage], datetime | float]


@dataclass(frozen=True, kw_only=True)
class VehicleSensorDescription(SensorEntityDescription, VehicleEntityDescription):
    """Describe a sensor of a vehicle."""

    value_fn: Callable[[VehicleData], SensorValue]
    attributes_fn: Callable[[VehicleData], dict[str, Any]] | None = None


def _usable(
    value_fn: Callable[[VehicleState], SensorValue],
) -> Callable[[VehicleData], SensorValue]:
    """Return a function of the vehicle data for one of the usable state."""

    def usable_value_fn(data: VehicleData) -> SensorValue:
        return value_fn(data.usable_state) if data.usable_state else None

    return usable_value_fn


def _measurement(
    key: str,
    device_class: SensorDeviceClass | None = None,
    unit: str | None = None,
    *,
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    precision: int | None = 0,
    enabled: bool = False,
    value_fn: Callable[[VehicleState], SensorValue] | None = None,
) -> VehicleSensorDescription:
    """Describe a sensor of one field, disabled by default."""
    return VehicleSensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=enabled,
        native_unit_of_measurement=unit,
        options=None if options is None else list(options),
        state_class=state_class,
        suggested_display_precision=precision,
        value_fn=_usable(value_fn or attrgetter(key)),
    )


def _enum_or_text(
    key: str,
    *,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    value_fn: Callable[[VehicleState], SensorValue] | None = None,
) -> VehicleSensorDescription:
    """Describe a sensor of an option or a text, disabled by default."""
    return _measurement(
        key,
        SensorDeviceClass.ENUM if options else None,
        state_class=None,
        options=options,
        category=category,
        precision=None,
        value_fn=value_fn,
    )


def _timestamp(
    key: str, value_fn: Callable[[VehicleState], SensorValue]
) -> VehicleSensorDescription:
    """Describe a sensor of a time, disabled by default."""
    return _measurement(
        key,
        SensorDeviceClass.TIMESTAMP,
        state_class=None,
        precision=None,
        value_fn=value_fn,
    )


def _charging_state(state: VehicleState) -> str | None:
    """Return the option of Tesla's charging state."""
    return CHARGING_STATES.get(state.charging_state or "")


def _speed(state: VehicleState) -> float | None:
    """Return the speed; a parked vehicle reports none."""
    if state.speed is None and state.shift_state == PARKED:
        return 0.0
    return state.speed


def _departure(state: VehicleState) -> datetime | None:
    """Return the scheduled departure; a vehicle also keeps a past one."""
    return state.departure_at if state.charge_schedule == "depart_by" else None


def _connection_attributes(data: VehicleData) -> dict[str, Any]:
    """Return whether the vehicle, the cloud and infotainment can be reached."""
    screen = None if data.bluetooth is None else data.bluetooth.infotainment_responds
    return {
        ATTR_DRILL: data.drill,
        ATTR_REACHABLE: data.reachable,
        **({} if data.cloud is None else {ATTR_CLOUD: data.cloud.value}),
        **({} if screen is None else {ATTR_SCREEN: screen}),
    }


CLOUD_SENSORS = (
    CloudSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in Status],
        value_fn=lambda data: data.assessment.status.value,
        attributes_fn=lambda data: data.assessment.details(),
    ),
    CloudSensorDescription(
        key="scope",
        translation_key="scope",
        device_class=SensorDeviceClass.ENUM,
        options=[scope.value for scope in Scope],
        value_fn=lambda data: data.assessment.scope.value,
    ),
    CloudSensorDescription(
        key="outage_since",
        translation_key="outage_since",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda data: data.assessment.since,
    ),
)
LAST_DRILL = SensorEntityDescription(
    key="last_drill",
    translation_key="last_drill",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
)
API_LATENCY = SensorEntityDescription(
    key="api_latency",
    translation_key="api_latency",
    device_class=SensorDeviceClass.DURATION,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
    native_unit_of_measurement=UnitOfTime.MILLISECONDS,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
)
ESTIMATED_COST = SensorEntityDescription(
    key="estimated_cost",
    translation_key="estimated_cost",
    device_class=SensorDeviceClass.MONETARY,
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=CURRENCY,
    state_class=SensorStateClass.TOTAL,
    suggested_display_precision=2,
)
CREDIT_USED = SensorEntityDescription(
    key="credit_used",
    translation_key="credit_used",
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
)
UPTIME_SENSORS = (
    UptimeSensorDescription(
        key="uptime_30_days", translation_key="uptime_30_days", days=30
    ),
    UptimeSensorDescription(
        key="uptime_365_days",
        translation_key="uptime_365_days",
        days=365,
        entity_registry_enabled_default=False,
    ),
)
LAST_OUTAGE_SENSORS = (
    LastOutageSensorDescription(
        key="last_outage",
        translation_key="last_outage",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda outage: outage.start,
    ),
    LastOutageSensorDescription(
        key="last_outage_length",
        translation_key="last_outage_length",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        # Home Assistant shows hours with their minutes: "4h 58m".
        suggested_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=3,
        value_fn=lambda outage: outage.length.total_seconds(),
    ),
)
MAIN_SENSORS = (
    VehicleSensorDescription(
        key="key_to_take",
        translation_key="key_to_take",
        device_class=SensorDeviceClass.ENUM,
        options=[key.value for key in PhysicalKey],
        value_fn=lambda data: data.key_to_take.value,
        attributes_fn=lambda data: {ATTR_DRILL: data.drill},
        without_account=True,
    ),
    VehicleSensorDescription(
        key="connection",
        translation_key="connection",
        device_class=SensorDeviceClass.ENUM,
        options=[connection.value for connection in Connection],
        value_fn=lambda data: data.connection.value,
        attributes_fn=_connection_attributes,
    ),
    VehicleSensorDescription(
        key="key_tried",
        translation_key="key_tried",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda data: data.key_tried,
        without_account=True,
    ),
    VehicleSensorDescription(
        key="last_contact",
        translation_key="last_contact",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda data: data.last_contact,
    ),
    VehicleSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_usable(lambda state: state.battery_level),
    ),
    VehicleSensorDescription(
        key="battery_range",
        translation_key="battery_range",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_usable(lambda state: state.battery_range),
    ),
)
BLUETOOTH_SENSORS = (
    VehicleSensorDescription(
        key="data_source",
        translation_key="data_source",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[transport.value for transport in Transport],
        bluetooth_only=True,
        value_fn=lambda data: data.data_source and data.data_source.value,
    ),
    VehicleSensorDescription(
        key="bluetooth_signal",
        translation_key="bluetooth_signal",
        device_class=SensorDeviceClass.SIGNAL_STRENGTH,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=SIGNAL_STRENGTH_DECIBELS_MILLIWATT,
        state_class=SensorStateClass.MEASUREMENT,
        bluetooth_only=True,
        value_fn=lambda data: data.bluetooth.signal if data.bluetooth else None,
    ),
    VehicleSensorDescription(
        key="bluetooth_heard",
        translation_key="bluetooth_heard",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        bluetooth_only=True,
        value_fn=lambda data: data.bluetooth.last_seen if data.bluetooth else None,
    ),
)
CHARGING_SENSORS = (
    _enum_or_text(
        "charging_state",
        options=tuple(CHARGING_STATES.values()),
        value_fn=_charging_state,
    ),
    _measurement("charger_power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _measurement("charge_rate", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _measurement(
        "energy_added",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        # It is reset by each charging session.
        state_class=SensorStateClass.TOTAL_INCREASING,
        precision=1,
    ),
    _measurement("minutes_to_full", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _enum_or_text("charge_schedule", options=CHARGE_SCHEDULES),
    _timestamp("charging_at", lambda state: state.charging_at),
    _timestamp("departure_at", _departure),
    _measurement(
        "charger_voltage",
        SensorDeviceClass.VOLTAGE,
        UnitOfElectricPotential.VOLT,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _measurement(
        "charger_current",
        SensorDeviceClass.CURRENT,
        UnitOfElectricCurrent.AMPERE,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _enum_or_text("cable_type", category=EntityCategory.DIAGNOSTIC),
    _enum_or_text("fast_charger_type", category=EntityCategory.DIAGNOSTIC),
)
BATTERY_SENSORS = (
    _measurement("usable_battery_level", SensorDeviceClass.BATTERY, PERCENTAGE),
    _measurement("estimated_range", SensorDeviceClass.DISTANCE, UnitOfLength.MILES),
    _measurement("ideal_range", SensorDeviceClass.DISTANCE, UnitOfLength.MILES),
    _measurement(
        "energy_remaining",
        SensorDeviceClass.ENERGY_STORAGE,
        UnitOfEnergy.KILO_WATT_HOUR,
        precision=1,
    ),
    _measurement(
        "lifetime_energy",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        category=EntityCategory.DIAGNOSTIC,
    ),
    *(
        _measurement(
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
    _measurement(
        key,
        SensorDeviceClass.TEMPERATURE,
        UnitOfTemperature.CELSIUS,
        precision=1,
        enabled=key == "inside_temp",
    )
    for key in ("inside_temp", "outside_temp", "target_temp", "passenger_temp")
)
DRIVING_SENSORS = (
    _enum_or_text("shift_state", options=SHIFT_STATES),
    _measurement(
        "speed", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR, value_fn=_speed
    ),
    _measurement("power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _measurement(
        "odometer",
        SensorDeviceClass.DISTANCE,
        UnitOfLength.MILES,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    _measurement("speed_limit", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _enum_or_text("route_destination"),
    _measurement(
        "route_distance", SensorDeviceClass.DISTANCE, UnitOfLength.MILES, precision=1
    ),
    _measurement("route_time", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _measurement("route_delay", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _measurement("route_battery", SensorDeviceClass.BATTERY, PERCENTAGE),
    *(
        _measurement(
            f"{wheel}_pressure",
            SensorDeviceClass.PRESSURE,
            UnitOfPressure.BAR,
            category=EntityCategory.DIAGNOSTIC,
            precision=1,
        )
        for wheel in TIRES
    ),
)
VEHICLE_SENSORS = (
    *MAIN_SENSORS,
    *BLUETOOTH_SENSORS,
    *CHARGING_SENSORS,
    *BATTERY_SENSORS,
    *CLIMATE_SENSORS,
    *DRIVING_SENSORS,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors of the cloud and of its vehicles."""
    async_add_entities(
        [
            *(CloudSensor(entry, description) for description in CLOUD_SENSORS),
            LastDrillSensor(entry, LAST_DRILL),
            LatencySensor(entry, API_LATENCY),
            *(UptimeSensor(entry, description) for description in UPTIME_SENSORS),
            *(
                LastOutageSensor(entry, description)
                for description in LAST_OUTAGE_SENSORS
            ),
        ]
    )
    if entry.runtime_data.provider.has_account:
        async_add_entities([CostSensor(entry, ESTIMATED_COST)])
        if entry.runtime_data.usage.monthly_usage.tariff.monthly_credit:
            async_add_entities([CreditSensor(entry, CREDIT_USED)])
    async_add_vehicle_entities(
        entry, async_add_entities, VEHICLE_SENSORS, VehicleSensor
    )


class CloudSensor(CloudEntity, SensorEntity):
    """Sensor of the cloud."""

    entity_description: CloudSensorDescription

    @property
    @override
    def native_value(self) -> SensorValue:
        """Return the value from the assessment."""
        return self.entity_description.value_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return whether a drill is shown, and the details of the value."""
        data = self.coordinator.data
        attributes_fn = self.entity_description.attributes_fn
        return {
            ATTR_DRILL: data.drill,
            **(attributes_fn(data) if attributes_fn else {}),
        }


class UsageSensor(CloudEntity, SensorEntity):
    """Sensor that follows the usage, not the assessment."""

    def __init__(
        self, entry: KeycardConfigEntry, description: SensorEntityDescription
    ) -> None:
        """Initialize the sensor."""
        super().__init__(entry, description)
        self._usage = entry.runtime_data.usage

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to the usage."""
        await super().async_added_to_hass()
        self.async_on_remove(self._usage.async_add_listener(self.async_write_ha_state))


class CostSensor(UsageSensor):
    """Estimated cost of this month's calls."""

    @property
    @override
    def native_value(self) -> float | None:
        """Return the cost in US dollars, None if the price of a call is unknown."""
        cost = self._usage.monthly_usage.cost
        return None if cost is None else round(cost, 4)

    @property
    @override
    def last_reset(self) -> datetime:
        """Return the start of the month."""
        return self._usage.monthly_usage.month

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the counts, the tariff, and the state of the budget."""
        spending = self._usage.monthly_usage
        tariff = spending.tariff
        return {
            **{charge.value: spending.counts[charge] for charge in Charge},
            "billing": tariff.billing.value,
            "free": tariff.monthly_credit,
            "prices_since": tariff.since,
            "budget": spending.budget,
            "pace": spending.budget_state(dt_util.now()).value,
        }


class CreditSensor(UsageSensor):
    """Share of the provider's monthly credit that this month's calls have used."""

    @property
    @override
    def native_value(self) -> float | None:
        """Return the percentage; above 100, calls are charged."""
        credit_used = self._usage.monthly_usage.credit_used
        return None if credit_used is None else round(credit_used * 100, 2)


class LastDrillSensor(CloudEntity, SensorEntity):
    """End and report of the last drill."""

    # It is a long list.
    _unrecorded_attributes = frozenset({ATTR_READINESS})

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return the end of the last drill."""
        return self._runtime_data.drill.last_completed

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the report of the last drill."""
        return {ATTR_READINESS: self._runtime_data.drill.readiness}


class LatencySensor(CloudEntity, SensorEntity):
    """Latency of Tesla's API; follows the probes, not the assessment."""

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to the probes."""
        await super().async_added_to_hass()
        watcher = self._runtime_data.host_poller
        self.async_on_remove(watcher.async_add_listener(self._handle_probe))

    @callback
    def _handle_probe(self) -> None:
        """Write the latency of the last good answer if it changed."""
        latency = self._runtime_data.host_poller.latencies.get(
            self._runtime_data.region
        )
        value = None if latency is None else round(latency * 1000)
        if value != self._attr_native_value:
            self._attr_native_value = value
            self.async_write_ha_state()


class HistorySensor(CloudEntity, SensorEntity):
    """Base of the sensors of the region's outage log."""

    _written: tuple[object, object]

    @override
    async def async_added_to_hass(self) -> None:
        """Schedule reading the outage log."""
        await super().async_added_to_hass()
        self._written = self._state_and_attributes()
        self.async_on_remove(
            async_track_time_interval(
                self.hass,
                self._async_refresh,
                HISTORY_INTERVAL,
                cancel_on_shutdown=True,
            )
        )

    @callback
    def _async_refresh(self, _now: datetime) -> None:
        """Write the state if it changed."""
        if (state := self._state_and_attributes()) != self._written:
            self._written = state
            self.async_write_ha_state()

    def _state_and_attributes(self) -> tuple[object, object]:
        return self.native_value, self.extra_state_attributes

    @property
    def _outage_log(self) -> OutageLog:
        return self.coordinator.hass.data[DATA_STORE].outage_log


class UptimeSensor(HistorySensor):
    """Share of the watched time in which the cloud worked."""

    entity_description: UptimeSensorDescription

    @property
    def _stats(self) -> UptimeStats:
        return self._outage_log.uptime.stats(
            self._runtime_data.region, self.entity_description.days, dt_util.utcnow()
        )

    @property
    @override
    def native_value(self) -> float | None:
        """Return the share of the watched time without an outage."""
        uptime = self._stats.uptime
        return None if uptime is None else round(uptime, 3)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the watched time and the shares of each kind of outage."""
        stats = self._stats
        return {
            "watched": round(stats.watched),
            "outage": round(stats.outage, 3),
            "degraded": round(stats.degraded, 3),
            "sign_in_outage": round(stats.sign_in_outage, 3),
        }


class LastOutageSensor(HistorySensor):
    """Start or length of the last outage that ended."""

    entity_description: LastOutageSensorDescription

    @property
    def _outage(self) -> Outage | None:
        return self._outage_log.last_outage(self._runtime_data.region)

    @property
    @override
    def native_value(self) -> datetime | float | None:
        """Return the value from the outage log."""
        outage = self._outage
        return None if outage is None else self.entity_description.value_fn(outage)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return status, scope and end of the outage."""
        outage = self._outage
        if outage is None:
            return None
        return {
            "status": outage.status.value,
            "scope": outage.scope.value,
            "ended": outage.end,
        }


class VehicleSensor(VehicleEntity, SensorEntity):
    """Sensor of a vehicle."""

    entity_description: VehicleSensorDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return value and details."""
        return self.native_value, self.extra_state_attributes

    @property
    @override
    def native_value(self) -> SensorValue:
        """Return the value, None if unknown."""
        return self.entity_description.value_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return the details of the value."""
        if self.entity_description.attributes_fn is None:
            return super().extra_state_attributes
        return self.entity_description.attributes_fn(self.coordinator.data)
