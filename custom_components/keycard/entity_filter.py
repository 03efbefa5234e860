"""Filter the entities that triggers and conditions use."""

from typing import Final

from homeassistant.components.binary_sensor import (
    DOMAIN as BINARY_SENSOR_DOMAIN,
    BinarySensorDeviceClass,
)
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN, SensorDeviceClass
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.automation import DomainSpec

from .const import ATTR_REACHABLE, DOMAIN

# Translation keys of entities; a user may change names and entity ids.
OUTAGE: Final = "outage"
STATUS: Final = "status"
CONNECTION: Final = "connection"
KEY_TO_TAKE: Final = "key_to_take"

CONF_KEY_TO_TAKE: Final = "key"

EVENT_SPEC = {EVENT_DOMAIN: DomainSpec()}
PROBLEM_SPEC = {
    BINARY_SENSOR_DOMAIN: DomainSpec(device_class=BinarySensorDeviceClass.PROBLEM)
}
ENUM_SPEC = {SENSOR_DOMAIN: DomainSpec(device_class=SensorDeviceClass.ENUM)}
REACHABLE_SPEC = {
    SENSOR_DOMAIN: DomainSpec(
        device_class=SensorDeviceClass.ENUM, value_source=ATTR_REACHABLE
    )
}


def filter_entities(
    hass: HomeAssistant, entity_ids: set[str], translation_key: str
) -> set[str]:
    """Return Keycard's entities with a translation key."""
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entity_ids
        if (entry := registry.async_get(entity_id)) is not None
        and entry.platform == DOMAIN
        and entry.translation_key == translation_key
    }
