"""Which of Keycard's entities carry its triggers and conditions."""

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

# Translation keys: an owner may rename an entity, but not these.
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
REACHABLE = {
    SENSOR_DOMAIN: DomainSpec(
        device_class=SensorDeviceClass.ENUM, value_source=ATTR_REACHABLE
    )
}


def filter_entities(hass: HomeAssistant, entity_ids: set[str], key: str) -> set[str]:
    """Return those of the entities that are Keycard's and of this kind."""
    registry = er.async_get(hass)
    return {
        entity_id
        for entity_id in entity_ids
        if (entity := registry.async_get(entity_id)) is not None
        and entity.platform == DOMAIN
        and entity.translation_key == key
    }
