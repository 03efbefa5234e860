"""Keycard's conditions: what an automation may ask before it acts."""

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
from .runtime.connection import OVER_BLUETOOTH, OVER_CLOUD, REACHABLE, Connection
from .vehicle.keys import PhysicalKey
from .vehicle.state import Transport

ANY_LINK = "any"

# Home Assistant wants sets, and changes none of them.
_ON: set[str | bool] = {STATE_ON}
_FINE: set[str | bool] = {
    Status.OPERATIONAL,
    Status.ACCOUNT_PROBLEM,
    Status.PROVIDER_DOWN,
}
_REACHED: Mapping[str, frozenset[Connection]] = {
    ANY_LINK: REACHABLE,
    Transport.CLOUD: OVER_CLOUD,
    Transport.BLUETOOTH: OVER_BLUETOOTH,
}


class OutageIsOn(EntityStateConditionBase):
    """An outage is on, also while nobody can see its end."""

    _domain_specs = PROBLEM_SPEC
    _states = _ON

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep what tells of outages."""
        return filter_entities(self._hass, super().entity_filter(entities), OUTAGE)


class TeslaIsFine(EntityStateConditionBase):
    """The maker's cloud is known to work, whatever else fails."""

    _domain_specs = ENUM_SPEC
    _states = _FINE

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep what tells the status of a cloud."""
        return filter_entities(self._hass, super().entity_filter(entities), STATUS)


class VehicleIsReachable(EntityStateConditionBase):
    """A car can be reached, if need be by waking it."""

    _domain_specs = ENUM_SPEC
    _schema = ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL.extend(
        {
            vol.Required(CONF_OPTIONS, default={}): {
                vol.Optional(CONF_LINK, default=ANY_LINK): vol.In(_REACHED),
            },
        }
    )

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Take the link that is asked for."""
        super().__init__(hass, config)
        if TYPE_CHECKING:
            assert config.options is not None
        self._states = {*_REACHED[config.options[CONF_LINK]]}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the connections of cars."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class KeyToTakeIs(EntityStateConditionBase):
    """A car wants one of these keys."""

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
        """Take the keys that are asked for."""
        super().__init__(hass, config)
        if TYPE_CHECKING:
            assert config.options is not None
        self._states = {key.value for key in config.options[CONF_KEY_TO_TAKE]}

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the keys to take."""
        return filter_entities(self._hass, super().entity_filter(entities), KEY_TO_TAKE)


CONDITIONS: dict[str, type[Condition]] = {
    "is_car_reachable": VehicleIsReachable,
    "is_key_to_take": KeyToTakeIs,
    "is_maker_fine": TeslaIsFine,
    "is_outage_on": OutageIsOn,
}


async def async_get_conditions(_hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return Keycard's conditions."""
    return CONDITIONS
