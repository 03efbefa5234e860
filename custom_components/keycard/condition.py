"""Conditions of Keycard."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, override

import voluptuous as vol

from homeassistant.const import CONF_OPTIONS, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.condition import (
    ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL,
    Condition,
    ConditionConfig,
    EntityStateConditionBase,
)

from .const import CONF_LINK
from .entity_filter import (
    CONF_KEY_TO_TAKE,
    CONNECTION,
    ENUM_SPEC,
    KEY_TO_TAKE,
    OUTAGE,
    PROBLEM_SPEC,
    STATUS,
    filter_entities,
)
from .outage.models import Status
from .runtime.presentation import OVER_BLUETOOTH, OVER_CLOUD, REACHABLE, Connection
from .vehicle.keys import PhysicalKey
from .vehicle.state import Transport

ANY_TRANSPORT = "any"

# The base class declares mutable sets, but changes none of them.
_ON: set[str | bool] = {STATE_ON}
_TESLA_WORKS: set[str | bool] = {
    Status.OPERATIONAL,
    Status.ACCOUNT_PROBLEM,
    Status.PROVIDER_DOWN,
}
_CONNECTIONS: Mapping[str, frozenset[Connection]] = {
    ANY_TRANSPORT: REACHABLE,
    Transport.CLOUD: OVER_CLOUD,
    Transport.BLUETOOTH: OVER_BLUETOOTH,
}


class OutageIsOnCondition(EntityStateConditionBase):
    """Condition that an outage is active, also while the evidence is inconclusive."""

    _domain_specs = PROBLEM_SPEC
    _states = _ON

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the outage binary sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), OUTAGE)


class TeslaWorksCondition(EntityStateConditionBase):
    """Condition that Tesla's cloud works."""

    _domain_specs = ENUM_SPEC
    _states = _TESLA_WORKS

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the status sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), STATUS)


class VehicleIsReachableCondition(EntityStateConditionBase):
    """Condition that a vehicle can be reached, awake or by waking it."""

    _domain_specs = ENUM_SPEC
    _schema = ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL.extend(
        {
            vol.Required(CONF_OPTIONS, default={}): {
                vol.Optional(CONF_LINK, default=ANY_TRANSPORT): vol.In(_CONNECTIONS),
            },
        }
    )

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Initialize the condition."""
        super().__init__(hass, config)
        if TYPE_CHECKING:
            assert config.options is not None
        self._states = {*_CONNECTIONS[config.options[CONF_LINK]]}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the connection sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class KeyToTakeIsCondition(EntityStateConditionBase):
    """Condition that the key to take is one of the configured keys."""

    _domain_specs = ENUM_SPEC
    _schema = ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL.extend(
        {
            vol.Required(CONF_OPTIONS): {
                vol.Required(CONF_KEY_TO_TAKE): vol.All(
                    cv.ensure_list, vol.Length(min=1), [vol.Coerce(PhysicalKey)]
                ),
            },
        }
    )

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Initialize the condition."""
        super().__init__(hass, config)
        if TYPE_CHECKING:
            assert config.options is not None
        self._states = {key.value for key in config.options[CONF_KEY_TO_TAKE]}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the key to take sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), KEY_TO_TAKE)


CONDITIONS: dict[str, type[Condition]] = {
    "is_car_reachable": VehicleIsReachableCondition,
    "is_key_to_take": KeyToTakeIsCondition,
    "is_maker_fine": TeslaWorksCondition,
    "is_outage_on": OutageIsOnCondition,
}


async def async_get_conditions(_hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return Keycard's conditions."""
    return CONDITIONS
