"""How things stand, in one answer: the cloud, the cars, and the notice."""

from typing import Any

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import DOMAIN
from .coordinator import KeycardCoordinator
from .outage.journal import Kind
from .outage.words import OUTAGES
from .vehicle.attention import cannot_wait, in_use
from .views import NearView


def standing(coordinator: KeycardCoordinator) -> dict[str, Any]:
    """Return what is known of the cloud of an entry, and of its cars."""
    judgement = coordinator.data.judgement
    title, text = _notice(coordinator)
    return {
        "region": coordinator.region,
        "drill": coordinator.data.drill,
        "status": judgement.status.value,
        "scope": judgement.scope.value,
        "planes": [plane.value for plane in judgement.planes],
        "elsewhere": list(judgement.elsewhere),
        "models": list(judgement.models),
        "missing": [missing.value for missing in judgement.missing],
        "since": judgement.since and judgement.since.isoformat(),
        "affected_cars": [
            car.car.title
            for car_id, car in coordinator.cars.items()
            if judgement.affected is None or car_id in judgement.affected
        ],
        "cars": [
            {
                "name": car.car.title,
                "device_id": _device_id(coordinator, car_id),
                "connection": car.data.connection.value if car.commandable else None,
                "cloud": car.data.cloud and car.data.cloud.value,
                "bluetooth": _bluetooth(car.data.bluetooth),
                "key_to_take": car.data.key_to_take.value,
                "in_use": in_use(car.data.state),
                "cannot_wait": [matter.value for matter in cannot_wait(car.data.state)],
            }
            for car_id, car in coordinator.cars.items()
        ],
        "title": title,
        "text": text,
    }


def _bluetooth(view: NearView | None) -> dict[str, Any] | None:
    """Tell how a car is heard over Bluetooth, None without a key for it."""
    if view is None:
        return None
    return {
        "in_range": view.near,
        "signal": view.signal,
        "last_heard": view.heard_at and view.heard_at.isoformat(),
    }


def _device_id(coordinator: KeycardCoordinator, car_id: str) -> str | None:
    """Return the device of a car, None before it has one."""
    device = dr.async_get(coordinator.hass).async_get_device_by_identifier(
        (DOMAIN, car_id), coordinator.config_entry.entry_id
    )
    return device.id if device else None


def _notice(coordinator: KeycardCoordinator) -> tuple[str | None, str | None]:
    """Return title and text of what there is to tell now, None without it."""
    judgement = coordinator.data.judgement
    if judgement.status not in OUTAGES and judgement.since is not None:
        # Nobody sees more of the outage now, so what was told of it holds.
        return _told(coordinator)
    if judgement.status not in OUTAGES and not judgement.warning:
        return None, None
    cars = coordinator.cars
    return coordinator.bulletin.word(
        Kind.WARNING if judgement.warning else Kind.CHANGED,
        judgement,
        {car.car.title: car.data.key_to_take for car in cars.values()},
        start=judgement.since,
        drill=coordinator.data.drill,
    )


def _told(coordinator: KeycardCoordinator) -> tuple[str | None, str | None]:
    """Return title and text of the last event."""
    hass, entry = coordinator.hass, coordinator.config_entry
    entity_id = er.async_get(hass).async_get_entity_id(
        EVENT_DOMAIN, DOMAIN, f"{entry.entry_id}_outage"
    )
    state = hass.states.get(entity_id) if entity_id else None
    if state is None:
        return None, None
    return state.attributes.get("title"), state.attributes.get("text")
