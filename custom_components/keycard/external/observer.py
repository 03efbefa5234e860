"""Observe entities of other Tesla integrations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
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
    async_call_later,
    async_track_state_change_event,
    async_track_state_report_event,
)
from homeassistant.helpers.start import async_at_started

from ..const import CONF_CARS
from ..outage.stale_data import SourceUpdate, StaleDataDetector
from .discovery import DIRECT, DeviceRef, async_entities_of, device_refs

# A registry that changes changes more than once.
_SETTLES = 2.0

_ONLINE_ENDINGS = ("-state", "_online")
_SPEED = re.compile(r"(drive_state|vehicle|\d)[-_/]speed$")
_WORD = re.compile(r"\d[_/]state$")
_CHARGING_KEY = "charging_state"
_SHIFT_KEY = "shift_state"

# TeslaMate tells all of it with one word.
_ONLINE_WORDS = frozenset({"online", "driving", "charging", "updating"})
_ACTIVE_WORDS = frozenset({"driving", "charging"})
_CHARGING = "charging"
_GEARS = frozenset({"d", "r"})


@dataclass(frozen=True, kw_only=True)
class _SourceEntities:
    """The entities by which an integration shows a car, each by what it tells.

    `moving` hold what the car measures; `online` is whether it is said to be online,
    by an entity of its own or by a word.
    """

    car: str
    path: str
    moving: frozenset[str]
    online: str | None
    word: str | None
    charging: frozenset[str]
    power: frozenset[str]
    gear: str | None
    speed: str | None

    @property
    def entity_ids(self) -> frozenset[str]:
        singles = (self.online, self.word, self.gear, self.speed)
        found = {entity_id for entity_id in singles if entity_id is not None}
        return self.moving | self.charging | self.power | found


class ExternalStateObserver:
    """Observer of other integrations' entities for the detector."""

    def __init__(
        self, hass: HomeAssistant, beside: StaleDataDetector, options: Mapping[str, Any]
    ) -> None:
        """Prepare to follow the devices that the cars of the options name."""
        self._hass = hass
        self._beside = beside
        self._named = [
            (car_id, device)
            for car_id, car in options.get(CONF_CARS, {}).items()
            for device in device_refs(car)
        ]
        self._followed: dict[tuple[str, str], _SourceEntities] = {}
        self._by_entity: dict[str, _SourceEntities] = {}
        self._unsubs: list[CALLBACK_TYPE] = []
        self._unfollow: list[CALLBACK_TYPE] = []
        self._unsub_timer: CALLBACK_TYPE | None = None

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Follow the devices once all has started; return what ends it."""
        self._beside.direct = DIRECT
        self._beside.retain({(car, device.domain) for car, device in self._named})
        if self._named:
            self._unsubs.append(async_at_started(self._hass, self._async_begin))
        return self._async_stop

    @callback
    def _async_begin(self, _hass: HomeAssistant) -> None:
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
        for unsubs in (self._unsubs, self._unfollow):
            while unsubs:
                unsubs.pop()()
        if self._unsub_timer is not None:
            self._unsub_timer()
            self._unsub_timer = None

    # Whom to follow

    @callback
    def _async_registry_changed(self, _event: Event[Any]) -> None:
        if self._unsub_timer is None:
            self._unsub_timer = async_call_later(
                self._hass, _SETTLES, self._async_update_sources
            )

    @callback
    def _async_update_sources(self, _now: datetime | None = None) -> None:
        """Follow the entities that the devices have now."""
        self._unsub_timer = None
        followed = {
            (found.car, found.path): found
            for car, device in self._named
            if (found := self._find_entities(car, device)) is not None
        }
        if followed == self._followed:
            return
        for key in self._followed.keys() | followed.keys():
            before, now = self._followed.get(key), followed.get(key)
            if before is None:
                continue
            if now is None:
                self._beside.mark_unavailable(*key)
            elif now != before:
                # Other values move at another pace.
                self._beside.reset(*key)
        self._followed = followed
        self._by_entity = {
            entity_id: item
            for item in followed.values()
            for entity_id in item.entity_ids
        }
        while self._unfollow:
            self._unfollow.pop()()
        self._unfollow = [
            async_track_state_change_event(
                self._hass, self._by_entity, self._async_changed
            ),
            async_track_state_report_event(
                self._hass, self._by_entity, self._async_reported
            ),
        ]

    def _find_entities(self, car: str, named: DeviceRef) -> _SourceEntities | None:
        device = named.async_find(self._hass)
        if device is None:
            return None
        entities = [
            entity
            for entity in async_entities_of(self._hass, device)
            if not entity.disabled
        ]
        sensors = [item for item in entities if item.domain == Platform.SENSOR]
        return _SourceEntities(
            car=car,
            path=named.domain,
            moving=_ids(item for item in entities if _is_measurement(item)),
            online=_online(entities),
            word=_first(item for item in sensors if _WORD.search(item.unique_id)),
            charging=_ids(
                item
                for item in entities
                if _device_class(item) == BinarySensorDeviceClass.BATTERY_CHARGING
                or (item.domain == Platform.SENSOR and _CHARGING_KEY in item.unique_id)
            ),
            power=_ids(
                item
                for item in sensors
                if _device_class(item) == SensorDeviceClass.POWER
            ),
            gear=_first(item for item in sensors if _SHIFT_KEY in item.unique_id),
            speed=_first(item for item in sensors if _SPEED.search(item.unique_id)),
        )

    # What they show

    @callback
    def _async_changed(self, event: Event[EventStateChangedData]) -> None:
        entity_id = event.data["entity_id"]
        item = self._by_entity[entity_id]
        moved = entity_id in item.moving and _moved(
            event.data["old_state"], event.data["new_state"]
        )
        self._handle_update(item, moved=moved)

    @callback
    def _async_reported(self, event: Event[EventStateReportedData]) -> None:
        self._handle_update(self._by_entity[event.data["entity_id"]], moved=False)

    def _handle_update(self, item: _SourceEntities, *, moved: bool) -> None:
        states = {
            entity_id: state
            for entity_id in item.entity_ids
            if (state := self._hass.states.get(entity_id)) is not None
            and state.state != STATE_UNAVAILABLE
        }
        if not states:
            self._beside.mark_unavailable(item.car, item.path)
            return
        self._beside.observe_update(
            SourceUpdate(
                car=item.car,
                domain=item.path,
                at=time.monotonic(),
                moved=moved,
                active=_active(item, states),
            )
        )

    # For diagnostics

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """Tell of each car how other integrations do as witnesses."""
        now = time.monotonic()
        told: dict[str, list[dict[str, Any]]] = {}
        for car, device in self._named:
            item = self._followed.get((car, device.domain))
            standing = self._beside.source_status(car, device.domain, now)
            told.setdefault(car, []).append(
                {
                    "integration": device.domain,
                    "asks_the_maker": device.domain in DIRECT,
                    "found": item is not None,
                    "moving": len(item.moving) if item else 0,
                    "tells_online": item is not None
                    and (item.online or item.word) is not None,
                    "active": standing.active,
                    "pace": standing.interval,
                    "still_for": standing.unchanged_for,
                }
            )
        return told


def _ids(entities: Iterable[er.RegistryEntry]) -> frozenset[str]:
    return frozenset(item.entity_id for item in entities)


def _first(entities: Iterable[er.RegistryEntry]) -> str | None:
    return min((item.entity_id for item in entities), default=None)


def _device_class(entity: er.RegistryEntry) -> str | None:
    return entity.device_class or entity.original_device_class


def _is_measurement(entity: er.RegistryEntry) -> bool:
    """Return whether an entity shows what the car measures, and no setting or clock."""
    if entity.domain == Platform.DEVICE_TRACKER:
        # Home Assistant holds all of these for diagnostic.
        return True
    return (
        entity.domain == Platform.SENSOR
        and entity.entity_category is None
        and entity.unit_of_measurement is not None
    )


def _online(entities: list[er.RegistryEntry]) -> str | None:
    """Return the entity that tells whether the car is online, if that is clear."""
    found = [
        item
        for item in entities
        if _device_class(item) == BinarySensorDeviceClass.CONNECTIVITY
    ]
    named = [item for item in found if item.unique_id.endswith(_ONLINE_ENDINGS)]
    best = named or found
    return best[0].entity_id if len(best) == 1 else None


def _active(item: _SourceEntities, states: Mapping[str, State]) -> bool:
    """Return whether a car is said to be online, and to drive or charge."""

    def said(entity_id: str | None) -> str:
        state = states.get(entity_id or "")
        return state.state.lower() if state else ""

    word = said(item.word)
    if said(item.online) != STATE_ON and word not in _ONLINE_WORDS:
        return False
    if word in _ACTIVE_WORDS or said(item.gear) in _GEARS:
        return word != _CHARGING or _is_charging_power(item, states)
    if (_number(states.get(item.speed or "")) or 0.0) > 0.0:
        return True
    charging = any(said(one) in (STATE_ON, _CHARGING) for one in item.charging)
    return charging and _is_charging_power(item, states)


def _is_charging_power(item: _SourceEntities, states: Mapping[str, State]) -> bool:
    """Return whether charging power is positive or unknown."""
    powers = [_number(states.get(entity_id)) for entity_id in item.power]
    known = [power for power in powers if power is not None]
    return any(known) or not known


def _moved(old: State | None, new: State | None) -> bool:
    """Return whether a measured value changed.

    What comes back after it was gone is old, or may be.
    """
    if old is None or new is None or STATE_UNAVAILABLE in (old.state, new.state):
        return False
    if new.domain == Platform.DEVICE_TRACKER:
        before, now = _place(old), _place(new)
        return None not in (*before, *now) and before != now
    if ATTR_UNIT_OF_MEASUREMENT not in new.attributes:
        return False
    values = _number(old), _number(new)
    return None not in values and values[0] != values[1]


def _place(state: State) -> tuple[float | None, float | None]:
    return state.attributes.get(ATTR_LATITUDE), state.attributes.get(ATTR_LONGITUDE)


def _number(state: State | None) -> float | None:
    try:
        return float(state.state) if state else None
    except ValueError:
        return None
