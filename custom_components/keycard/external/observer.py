"""Observe entities of other Tesla integrations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import re
import time
from typing import Any

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import (
    ATTR_LATITUDE,
    ATTR_LONGITUDE,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_ON,
    STATE_UNAVAILABLE,
    Platform,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    EventStateReportedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.event import (
    async_track_state_change_event,
    async_track_state_report_event,
)
from homeassistant.helpers.start import async_at_started

from ..const import CONF_CARS
from ..helpers.timer import Timer
from ..outage.external_data import SourceUpdate, StaleDataDetector
from .discovery import (
    DIRECT_INTEGRATIONS,
    DeviceRef,
    async_device_entities,
    device_refs,
)

# Seconds to wait for further registry updates.
_REGISTRY_DELAY = 2.0

_ONLINE_SUFFIXES = ("-state", "_online")
_SPEED_KEY = re.compile(r"(drive_state|vehicle|\d)[-_/]speed$")
_STATE_KEY = re.compile(r"\d[_/]state$")
_CHARGING_KEY = "charging_state"
_SHIFT_KEY = "shift_state"

# States of TeslaMate, which reports connectivity and activity in one sensor.
_ONLINE_STATES = frozenset({"online", "driving", "charging", "updating"})
_ACTIVE_STATES = frozenset({"driving", "charging"})
_CHARGING = "charging"
_GEARS = frozenset({"d", "r"})


@dataclass(frozen=True, kw_only=True)
class _SourceEntities:
    """Entities of one vehicle in another integration.

    `measurements` are values that the vehicle measures. `online` is a connectivity
    entity, `state` a sensor with TeslaMate's combined state.
    """

    vehicle_id: str
    domain: str
    measurements: frozenset[str]
    online: str | None
    state: str | None
    charging: frozenset[str]
    power: frozenset[str]
    gear: str | None
    speed: str | None

    @property
    def entity_ids(self) -> frozenset[str]:
        single = (self.online, self.state, self.gear, self.speed)
        present = {entity_id for entity_id in single if entity_id is not None}
        return self.measurements | self.charging | self.power | present


class ExternalStateObserver:
    """Observer of other integrations' entities for the detector."""

    def __init__(
        self,
        hass: HomeAssistant,
        stale_data: StaleDataDetector,
        options: Mapping[str, Any],
    ) -> None:
        """Initialize with the external devices in the options."""
        self._hass = hass
        self._stale_data = stale_data
        self._devices = [
            (vehicle_id, device)
            for vehicle_id, vehicle_options in options.get(CONF_CARS, {}).items()
            for device in device_refs(vehicle_options)
        ]
        self._sources: dict[tuple[str, str], _SourceEntities] = {}
        self._source_by_entity: dict[str, _SourceEntities] = {}
        self._unsubs: list[CALLBACK_TYPE] = []
        self._unsub_entities: list[CALLBACK_TYPE] = []
        self._timer = Timer(hass, self._async_update_sources)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Start observing when Home Assistant has started; return a stop function."""
        self._stale_data.retain(
            {(vehicle_id, device.domain) for vehicle_id, device in self._devices}
        )
        if self._devices:
            self._unsubs.append(
                async_at_started(self._hass, self._async_start_tracking)
            )
        return self._async_stop

    @callback
    def _async_start_tracking(self, _hass: HomeAssistant) -> None:
        self._unsubs += [
            self._hass.bus.async_listen(kind, self._async_registry_changed)
            for kind in (
                er.EVENT_ENTITY_REGISTRY_UPDATED,
                dr.EVENT_DEVICE_REGISTRY_UPDATED,
            )
        ]
        self._async_update_sources()

    @callback
    def _async_stop(self) -> None:
        for unsubs in (self._unsubs, self._unsub_entities):
            while unsubs:
                unsubs.pop()()
        self._timer.async_cancel()

    # Sources

    @callback
    def _async_registry_changed(self, _event: Event[Any]) -> None:
        if not self._timer.is_scheduled:
            self._timer.async_schedule(_REGISTRY_DELAY)

    @callback
    def _async_update_sources(self) -> None:
        """Track the current entities of the devices."""
        sources = {
            (source.vehicle_id, source.domain): source
            for vehicle_id, device in self._devices
            if (source := self._find_entities(vehicle_id, device)) is not None
        }
        if sources == self._sources:
            return
        for key in self._sources.keys() | sources.keys():
            previous, current = self._sources.get(key), sources.get(key)
            if previous is None:
                continue
            if current is None:
                self._stale_data.mark_unavailable(*key)
            elif current != previous:
                # Other values have another interval.
                self._stale_data.reset(*key)
        self._sources = sources
        self._source_by_entity = {
            entity_id: source
            for source in sources.values()
            for entity_id in source.entity_ids
        }
        while self._unsub_entities:
            self._unsub_entities.pop()()
        self._unsub_entities = [
            async_track_state_change_event(
                self._hass, self._source_by_entity, self._async_changed
            ),
            async_track_state_report_event(
                self._hass, self._source_by_entity, self._async_reported
            ),
        ]

    def _find_entities(
        self, vehicle_id: str, device_ref: DeviceRef
    ) -> _SourceEntities | None:
        device = device_ref.async_find(self._hass)
        if device is None:
            return None
        entities = [
            entity
            for entity in async_device_entities(self._hass, device)
            if not entity.disabled
        ]
        sensors = [item for item in entities if item.domain == Platform.SENSOR]
        return _SourceEntities(
            vehicle_id=vehicle_id,
            domain=device_ref.domain,
            measurements=_entity_ids(
                item for item in entities if _is_measurement(item)
            ),
            online=_connectivity_entity(entities),
            state=_first_entity_id(
                item for item in sensors if _STATE_KEY.search(item.unique_id)
            ),
            charging=_entity_ids(
                item
                for item in entities
                if _device_class(item) == BinarySensorDeviceClass.BATTERY_CHARGING
                or (item.domain == Platform.SENSOR and _CHARGING_KEY in item.unique_id)
            ),
            power=_entity_ids(
                item
                for item in sensors
                if _device_class(item) == SensorDeviceClass.POWER
            ),
            gear=_first_entity_id(
                item for item in sensors if _SHIFT_KEY in item.unique_id
            ),
            speed=_first_entity_id(
                item for item in sensors if _SPEED_KEY.search(item.unique_id)
            ),
        )

    # Updates

    @callback
    def _async_changed(self, event: Event[EventStateChangedData]) -> None:
        entity_id = event.data["entity_id"]
        source = self._source_by_entity[entity_id]
        value_changed = entity_id in source.measurements and _value_changed(
            event.data["old_state"], event.data["new_state"]
        )
        self._handle_update(source, value_changed=value_changed)

    @callback
    def _async_reported(self, event: Event[EventStateReportedData]) -> None:
        self._handle_update(
            self._source_by_entity[event.data["entity_id"]], value_changed=False
        )

    def _handle_update(self, source: _SourceEntities, *, value_changed: bool) -> None:
        states = {
            entity_id: state
            for entity_id in source.entity_ids
            if (state := self._hass.states.get(entity_id)) is not None
            and state.state != STATE_UNAVAILABLE
        }
        if not states:
            self._stale_data.mark_unavailable(source.vehicle_id, source.domain)
            return
        self._stale_data.observe_update(
            SourceUpdate(
                vehicle_id=source.vehicle_id,
                domain=source.domain,
                at=time.monotonic(),
                changed=value_changed,
                active=_is_active(source, states),
            )
        )

    # For diagnostics

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """Describe the sources of each vehicle for diagnostics."""
        monotonic = time.monotonic()
        description: dict[str, list[dict[str, Any]]] = {}
        for vehicle_id, device in self._devices:
            source = self._sources.get((vehicle_id, device.domain))
            status = self._stale_data.source_status(
                vehicle_id, device.domain, monotonic
            )
            description.setdefault(vehicle_id, []).append(
                {
                    "integration": device.domain,
                    "calls_tesla": device.domain in DIRECT_INTEGRATIONS,
                    "found": source is not None,
                    "measurements": len(source.measurements) if source else 0,
                    "reports_online": source is not None
                    and (source.online or source.state) is not None,
                    "active": status.active,
                    "interval": status.interval,
                    "unchanged_for": status.unchanged_for,
                }
            )
        return description


def _entity_ids(entities: Iterable[er.RegistryEntry]) -> frozenset[str]:
    return frozenset(item.entity_id for item in entities)


def _first_entity_id(entities: Iterable[er.RegistryEntry]) -> str | None:
    return min((item.entity_id for item in entities), default=None)


def _device_class(entity: er.RegistryEntry) -> str | None:
    return entity.device_class or entity.original_device_class


def _is_measurement(entity: er.RegistryEntry) -> bool:
    """Return whether an entity is a measurement, not a setting or time."""
    if entity.domain == Platform.DEVICE_TRACKER:
        # Device trackers are always in the diagnostic category.
        return True
    return (
        entity.domain == Platform.SENSOR
        and entity.entity_category is None
        and entity.unit_of_measurement is not None
    )


def _connectivity_entity(entities: list[er.RegistryEntry]) -> str | None:
    """Return the connectivity entity, None if it is ambiguous."""
    candidates = [
        item
        for item in entities
        if _device_class(item) == BinarySensorDeviceClass.CONNECTIVITY
    ]
    online_entities = [
        item for item in candidates if item.unique_id.endswith(_ONLINE_SUFFIXES)
    ]
    selected = online_entities or candidates
    return selected[0].entity_id if len(selected) == 1 else None


def _is_active(source: _SourceEntities, states: Mapping[str, State]) -> bool:
    """Return whether a vehicle is reported as online, and driving or charging."""

    def state_of(entity_id: str | None) -> str:
        state = states.get(entity_id or "")
        return state.state.lower() if state else ""

    combined = state_of(source.state)
    if state_of(source.online) != STATE_ON and combined not in _ONLINE_STATES:
        return False
    if combined in _ACTIVE_STATES or state_of(source.gear) in _GEARS:
        return combined != _CHARGING or _is_charging_power(source, states)
    if (_parse_number(states.get(source.speed or "")) or 0.0) > 0.0:
        return True
    charging = any(state_of(item) in (STATE_ON, _CHARGING) for item in source.charging)
    return charging and _is_charging_power(source, states)


def _is_charging_power(source: _SourceEntities, states: Mapping[str, State]) -> bool:
    """Return whether charging power is positive or unknown."""
    powers = [_parse_number(states.get(entity_id)) for entity_id in source.power]
    known = [power for power in powers if power is not None]
    return any(known) or not known


def _value_changed(old: State | None, new: State | None) -> bool:
    """Return whether a measured value changed.

    A value that returns after being unavailable may be old.
    """
    if old is None or new is None or STATE_UNAVAILABLE in (old.state, new.state):
        return False
    if new.domain == Platform.DEVICE_TRACKER:
        old_position, new_position = _position(old), _position(new)
        return (
            None not in (*old_position, *new_position) and old_position != new_position
        )
    if ATTR_UNIT_OF_MEASUREMENT not in new.attributes:
        return False
    values = _parse_number(old), _parse_number(new)
    return None not in values and values[0] != values[1]


def _position(state: State) -> tuple[float | None, float | None]:
    return state.attributes.get(ATTR_LATITUDE), state.attributes.get(ATTR_LONGITUDE)


def _parse_number(state: State | None) -> float | None:
    try:
        return float(state.state) if state else None
    except ValueError:
        return None
