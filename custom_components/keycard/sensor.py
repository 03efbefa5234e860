"""What the sensors of a car show."""

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

from .const import ATTR_DRILL
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .cost.pricing import Charge
from .entity import (
    CloudEntity,
    VehicleEntity,
    VehicleEntityDescription,
    async_add_vehicle_entities,
)
from .outage.models import Scope, Status
from .outage.outage_log import Outage, OutageLog
from .outage.uptime import UptimeStats
from .runtime.connection import Connection
from .runtime.storage import DATA_STORE
from .runtime.views import CloudData, VehicleData
from .vehicle.fields import CHARGE_SCHEDULES, PARKED, SHIFT_STATES, TYRES
from .vehicle.keys import PhysicalKey
from .vehicle.state import Transport, VehicleState

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
class VehicleSensorDescription(SensorEntityDescription, VehicleEntityDescription):
    """Describes a sensor of a car."""

    value_fn: Callable[[VehicleData], Value]
    attributes_fn: Callable[[VehicleData], dict[str, Any]] | None = None


def _known(value: Callable[[VehicleState], Value]) -> Callable[[VehicleData], Value]:
    """Read a value of what is known of the car, None if nothing is."""

    def read(view: VehicleData) -> Value:
        return value(view.usable_state) if view.usable_state else None

    return read


def _measurement(
    key: str,
    device_class: SensorDeviceClass | None = None,
    unit: str | None = None,
    *,
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    precision: int | None = 0,
    told: Callable[[VehicleState], object] | None = None,
    value: Callable[[VehicleState], Value] | None = None,
) -> VehicleSensorDescription:
    """Describe what a car tells as it is, off by default."""
    return VehicleSensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=unit,
        options=None if options is None else list(options),
        state_class=state_class,
        suggested_display_precision=precision,
        supported_fn=told,
        value_fn=_known(value or attrgetter(key)),
    )


def _enum_or_text(
    key: str,
    *,
    options: tuple[str, ...] | None = None,
    category: EntityCategory | None = None,
    value: Callable[[VehicleState], Value] | None = None,
) -> VehicleSensorDescription:
    """Describe what a car tells in a word, off by default."""
    return _measurement(
        key,
        SensorDeviceClass.ENUM if options else None,
        state_class=None,
        options=options,
        category=category,
        precision=None,
        value=value,
    )


def _timestamp(
    key: str, value: Callable[[VehicleState], Value]
) -> VehicleSensorDescription:
    """Describe a time that a car tells, off by default."""
    return _measurement(
        key,
        SensorDeviceClass.TIMESTAMP,
        state_class=None,
        precision=None,
        value=value,
    )


def _charging_state(state: VehicleState) -> str | None:
    return CHARGING_STATES.get(state.charging_state or "")


def _speed(state: VehicleState) -> float | None:
    """Return the speed; a parked car tells none."""
    if state.speed is None and state.shift_state == PARKED:
        return 0.0
    return state.speed


def _departure(state: VehicleState) -> datetime | None:
    """Return the departure that is scheduled; a car remembers its last one."""
    return state.departure_at if state.charge_schedule == "depart_by" else None


def _of_connection(view: VehicleData) -> dict[str, Any]:
    """Return whether a car is reached, and how the cloud and its screen do."""
    screen = None if view.bluetooth is None else view.bluetooth.infotainment_answers
    return {
        ATTR_DRILL: view.drill,
        ATTR_REACHABLE: view.reachable,
        **({} if view.cloud is None else {ATTR_CLOUD: view.cloud.value}),
        **({} if screen is None else {ATTR_SCREEN: screen}),
    }


MAIN_SENSORS = (
    VehicleSensorDescription(
        key="key_to_take",
        translation_key="key_to_take",
        device_class=SensorDeviceClass.ENUM,
        options=[key.value for key in PhysicalKey],
        value_fn=lambda view: view.key_to_take.value,
        attributes_fn=lambda view: {ATTR_DRILL: view.drill},
        without_account=True,
    ),
    VehicleSensorDescription(
        key="connection",
        translation_key="connection",
        device_class=SensorDeviceClass.ENUM,
        options=[connection.value for connection in Connection],
        value_fn=lambda view: view.connection.value,
        attributes_fn=_of_connection,
    ),
    VehicleSensorDescription(
        key="key_tried",
        translation_key="key_tried",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda view: view.key_tried,
        without_account=True,
    ),
    VehicleSensorDescription(
        key="last_contact",
        translation_key="last_contact",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda view: view.last_contact,
    ),
    VehicleSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=_known(lambda state: state.battery_level),
    ),
    VehicleSensorDescription(
        key="battery_range",
        translation_key="battery_range",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value_fn=_known(lambda state: state.battery_range),
    ),
)
BLUETOOTH_SENSORS = (
    VehicleSensorDescription(
        key="data_source",
        translation_key="data_source",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        options=[way.value for way in Transport],
        bluetooth_only=True,
        value_fn=lambda view: view.data_source and view.data_source.value,
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
        value_fn=lambda view: view.bluetooth.signal if view.bluetooth else None,
    ),
    VehicleSensorDescription(
        key="bluetooth_heard",
        translation_key="bluetooth_heard",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        bluetooth_only=True,
        value_fn=lambda view: view.bluetooth.last_seen if view.bluetooth else None,
    ),
)
CHARGING_SENSORS = (
    _enum_or_text(
        "charging_state",
        options=tuple(CHARGING_STATES.values()),
        value=_charging_state,
    ),
    _measurement("charger_power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _measurement("charge_rate", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _measurement(
        "energy_added",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        # It starts anew with each charge.
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
        key, SensorDeviceClass.TEMPERATURE, UnitOfTemperature.CELSIUS, precision=1
    )
    for key in ("inside_temp", "outside_temp", "target_temp", "passenger_temp")
)
DRIVING_SENSORS = (
    _enum_or_text("shift_state", options=SHIFT_STATES),
    _measurement(
        "speed", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR, value=_speed
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
            f"{place}_pressure",
            SensorDeviceClass.PRESSURE,
            UnitOfPressure.BAR,
            category=EntityCategory.DIAGNOSTIC,
            precision=1,
        )
        for place in TYRES
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


CURRENCY = "USD"

COST = SensorEntityDescription(
    key="estimated_cost",
    translation_key="estimated_cost",
    device_class=SensorDeviceClass.MONETARY,
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=CURRENCY,
    state_class=SensorStateClass.TOTAL,
    suggested_display_precision=2,
)


class CostSensor(CloudEntity, SensorEntity):
    """What the calls of a month cost by the prices of the provider.

    It follows the bill and not the judgement.
    """

    def __init__(self, coordinator: KeycardCoordinator) -> None:
        """Attach the sensor to the cloud's device."""
        super().__init__(coordinator, COST)
        self._bill = coordinator.bill

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the bill."""
        await super().async_added_to_hass()
        self.async_on_remove(self._bill.async_add_listener(self.async_write_ha_state))

    @property
    @override
    def native_value(self) -> float | None:
        """Return the cost in US dollars, None where calls have no known price."""
        cost = self._bill.spending.cost
        return None if cost is None else round(cost, 4)

    @property
    @override
    def last_reset(self) -> datetime:
        """Return when the month began."""
        return self._bill.spending.month

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what was counted, and what is done about it."""
        spending = self._bill.spending
        tariff = spending.tariff
        return {
            **{charge.value: spending.counts[charge] for charge in Charge},
            "billing": tariff.billing.value,
            "free": tariff.free,
            "prices_since": tariff.since,
            "budget": spending.budget,
            "pace": spending.budget_state(dt_util.now()).value,
        }


# It changes slowly, and each change of a state is written down.
PACE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class UptimeDescription(SensorEntityDescription):
    """Describes a sensor of the uptime of the last `days`."""

    days: int
    native_unit_of_measurement: str | None = PERCENTAGE
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT
    suggested_display_precision: int | None = 2


@dataclass(frozen=True, kw_only=True)
class LastOutageDescription(SensorEntityDescription):
    """Describes a sensor of the outage that was over last."""

    value_fn: Callable[[Outage], datetime | float]


UPTIMES = (
    UptimeDescription(key="uptime_30_days", translation_key="uptime_30_days", days=30),
    UptimeDescription(
        key="uptime_365_days",
        translation_key="uptime_365_days",
        days=365,
        entity_registry_enabled_default=False,
    ),
)
LAST_OUTAGES = (
    LastOutageDescription(
        key="last_outage",
        translation_key="last_outage",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda outage: outage.start,
    ),
    LastOutageDescription(
        key="last_outage_length",
        translation_key="last_outage_length",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value_fn=lambda outage: outage.length.total_seconds(),
    ),
)


def history_sensors(coordinator: KeycardCoordinator) -> list[SensorEntity]:
    """Return the sensors of a cloud's history."""
    return [
        *(UptimeSensor(coordinator, description) for description in UPTIMES),
        *(LastOutageSensor(coordinator, description) for description in LAST_OUTAGES),
    ]


class HistorySensor(CloudEntity, SensorEntity):
    """A sensor of the history of the region, as the entries of this home saw it."""

    _shown: tuple[object, object]

    @override
    async def async_added_to_hass(self) -> None:
        """Look into the journal from time to time."""
        await super().async_added_to_hass()
        self._shown = self._tell()
        self.async_on_remove(
            async_track_time_interval(
                self.hass, self._async_look, PACE, cancel_on_shutdown=True
            )
        )

    @callback
    def _async_look(self, _now: datetime) -> None:
        if (told := self._tell()) != self._shown:
            self._shown = told
            self.async_write_ha_state()

    def _tell(self) -> tuple[object, object]:
        return self.native_value, self.extra_state_attributes

    @property
    def _journal(self) -> OutageLog:
        return self.coordinator.hass.data[DATA_STORE].journal


class UptimeSensor(HistorySensor):
    """How much of the watched time the cloud worked."""

    entity_description: UptimeDescription

    @property
    def _figures(self) -> UptimeStats:
        return self._journal.uptime.figures(
            self.coordinator.region, self.entity_description.days, dt_util.utcnow()
        )

    @property
    @override
    def native_value(self) -> float | None:
        """Return the share of the watched time without an outage."""
        uptime = self._figures.uptime
        return None if uptime is None else round(uptime, 3)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return how much was watched, and what the rest of it was like."""
        figures = self._figures
        return {
            "watched": round(figures.watched),
            "outage": round(figures.outage, 3),
            "degraded": round(figures.degraded, 3),
            "sign_in_outage": round(figures.sign_in_outage, 3),
        }


class LastOutageSensor(HistorySensor):
    """When the outage began that was over last, or how long it was."""

    entity_description: LastOutageDescription

    @property
    def _outage(self) -> Outage | None:
        return self._journal.last_outage(self.coordinator.region)

    @property
    @override
    def native_value(self) -> datetime | float | None:
        """Return what the journal tells of it."""
        outage = self._outage
        return None if outage is None else self.entity_description.value_fn(outage)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return how bad it got, and when it was over."""
        outage = self._outage
        if outage is None:
            return None
        return {
            "status": outage.status.value,
            "scope": outage.scope.value,
            "ended": outage.end,
        }


# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0

ATTR_READINESS = "readiness"


@dataclass(frozen=True, kw_only=True)
class CloudSensorDescription(SensorEntityDescription):
    """Describes a sensor of the cloud."""

    value_fn: Callable[[CloudData], Value]
    attributes_fn: Callable[[CloudData], dict[str, Any]] | None = None


def _details(view: CloudData) -> dict[str, Any]:
    """Tell what stands behind a status."""
    judgement = view.assessment
    return {
        "planes": [plane.value for plane in judgement.subsystems],
        "elsewhere": list(judgement.other_regions),
        "models": list(judgement.models),
        "missing": [missing.value for missing in judgement.missing_evidence],
    }


CLOUD_SENSORS = (
    CloudSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in Status],
        value_fn=lambda view: view.assessment.status.value,
        attributes_fn=_details,
    ),
    CloudSensorDescription(
        key="scope",
        translation_key="scope",
        device_class=SensorDeviceClass.ENUM,
        options=[scope.value for scope in Scope],
        value_fn=lambda view: view.assessment.scope.value,
    ),
    CloudSensorDescription(
        key="outage_since",
        translation_key="outage_since",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda view: view.assessment.since,
    ),
)
LAST_DRILL = SensorEntityDescription(
    key="last_drill",
    translation_key="last_drill",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
)
LATENCY = SensorEntityDescription(
    key="api_latency",
    translation_key="api_latency",
    device_class=SensorDeviceClass.DURATION,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
    native_unit_of_measurement=UnitOfTime.MILLISECONDS,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of the cloud and of its cars."""
    async_add_entities(
        [
            *(
                CloudSensor(entry.runtime_data, description)
                for description in CLOUD_SENSORS
            ),
            LastDrillSensor(entry.runtime_data, LAST_DRILL),
            LatencySensor(entry.runtime_data, LATENCY),
            *history_sensors(entry.runtime_data),
        ]
    )
    if entry.runtime_data.provider.cars_from_account:
        async_add_entities([CostSensor(entry.runtime_data)])
    async_add_vehicle_entities(
        entry, async_add_entities, VEHICLE_SENSORS, VehicleSensor
    )


class CloudSensor(CloudEntity, SensorEntity):
    """A sensor of the maker's cloud."""

    entity_description: CloudSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Return what the judgement says."""
        return self.entity_description.value_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what stands behind the value, and whether it is but a drill's."""
        view = self.coordinator.data
        attributes = self.entity_description.attributes_fn
        return {ATTR_DRILL: view.drill, **(attributes(view) if attributes else {})}


class LastDrillSensor(CloudEntity, SensorEntity):
    """When the last drill came to its end, and how ready the household was."""

    # It is a list, and long.
    _unrecorded_attributes = frozenset({ATTR_READINESS})

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return when the last drill was over."""
        return self.coordinator.rehearsal.last

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what the drill has shown."""
        return {ATTR_READINESS: self.coordinator.rehearsal.readiness}


class LatencySensor(CloudEntity, SensorEntity):
    """How long the maker's host takes to answer.

    It changes with every answer, so it follows the answers and not the judgement.
    """

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the answers of the hosts."""
        await super().async_added_to_hass()
        watcher = self.coordinator.watcher
        self.async_on_remove(watcher.async_add_listener(self._handle_answer))

    @callback
    def _handle_answer(self) -> None:
        """Show the last good answer's latency, if that is news."""
        latency = self.coordinator.watcher.latencies.get(self.coordinator.region)
        value = None if latency is None else round(latency * 1000)
        if value != self._attr_native_value:
            self._attr_native_value = value
            self.async_write_ha_state()


class VehicleSensor(VehicleEntity, SensorEntity):
    """A sensor of a car."""

    entity_description: VehicleSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Return what is known of the car."""
        return self.entity_description.value_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what stands behind the value."""
        if self.entity_description.attributes_fn is None:
            return super().extra_state_attributes
        return self.entity_description.attributes_fn(self.coordinator.data)
