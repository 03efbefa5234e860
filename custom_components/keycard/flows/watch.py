"""Config flow steps for entries that only watch Tesla's cloud."""

from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowContext, ConfigFlowResult
from homeassistant.const import CONF_NAME, CONF_REGION
from homeassistant.helpers.selector import BooleanSelector

from ..const import (
    CONF_CARS,
    CONF_PROVIDER,
    PROVIDER_BLUETOOTH_ONLY,
    PROVIDER_WATCH_ONLY,
)
from ..external.discovery import async_discover_vehicles
from ..notifications.markdown import escape_markdown
from ..notifications.text import async_load_translations
from ..outage.endpoints import region_of_country
from .base import KeycardFlow, async_cloud_title
from .external import ExternalVehicleSteps
from .fields import (
    CONF_ANOTHER,
    NEW_CAR_SCHEMA,
    REGION_FIELD,
    REGION_SCHEMA,
    new_vehicle_id,
    vehicle_options_from_input,
)

STEP_EXTERNAL = "beside"


class WatchSteps(
    ExternalVehicleSteps[ConfigFlowContext, ConfigFlowResult, str], KeycardFlow
):
    """Steps for an entry without an account."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._region = ""
        self._cars: dict[str, dict[str, Any]] = {}
        self._another = False

    async def async_discovered_names(self) -> str:
        """Return the names of the vehicles of other integrations, for Markdown."""
        names = [
            escape_markdown(vehicle.name)
            for vehicle in async_discover_vehicles(self.hass)
        ]
        translations = await async_load_translations(self.hass)
        return ", ".join(names) or translations.format("no_cars")

    async def async_step_beside(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which vehicles of other integrations to watch, and in which region."""
        if user_input is not None:
            self._region = user_input[CONF_REGION]
            await self.async_set_unique_id(_watch_unique_id(self._region))
            self._abort_if_unique_id_configured(error="watched_already")
            self._another = user_input[CONF_ANOTHER]
            if self.async_choose_external(user_input):
                return await self.async_step_beside_keys()
            if self._another:
                return await self.async_step_car()
        return await self.async_show_external(
            STEP_EXTERNAL,
            user_input,
            before={vol.Required(CONF_REGION): REGION_FIELD},
            after={vol.Required(CONF_ANOTHER, default=False): BooleanSelector()},
            suggested=user_input
            or {CONF_REGION: region_of_country(self.hass.config.country)},
        )

    @override
    async def async_add_external(
        self, vehicles: dict[str, dict[str, Any]]
    ) -> ConfigFlowResult:
        """Add the chosen vehicles, and ask for another one if requested."""
        self._cars |= vehicles
        return (
            await self.async_step_car() if self._another else await self._async_create()
        )

    async def async_step_watch_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the region to watch, without a request, as it may fail."""
        if user_input is not None:
            self._region = user_input[CONF_REGION]
            await self.async_set_unique_id(_watch_unique_id(self._region))
            self._abort_if_unique_id_configured()
            return await self.async_step_car()
        return self.async_show_form(
            step_id="watch_only",
            data_schema=self.add_suggested_values_to_schema(
                REGION_SCHEMA,
                {CONF_REGION: region_of_country(self.hass.config.country)},
            ),
        )

    async def async_step_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a vehicle, repeatedly."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if not user_input[CONF_NAME].strip():
                errors[CONF_NAME] = "no_name"
            else:
                vehicle_id = new_vehicle_id(
                    self.hass, user_input[CONF_NAME], self._cars
                )
                self._cars[vehicle_id] = vehicle_options_from_input(user_input)
                if not user_input[CONF_ANOTHER]:
                    return await self._async_create()
        return self.async_show_form(
            step_id="car",
            data_schema=self.add_suggested_values_to_schema(
                NEW_CAR_SCHEMA, user_input if errors else None
            ),
            errors=errors,
            description_placeholders={
                "cars": ", ".join(
                    escape_markdown(vehicle[CONF_NAME])
                    for vehicle in self._cars.values()
                )
                or "-"
            },
        )

    async def _async_create(self) -> ConfigFlowResult:
        """Create the entry with the vehicles."""
        return self.async_create_keycard_entry(
            title=await async_cloud_title(self.hass, self._region),
            data={CONF_PROVIDER: PROVIDER_WATCH_ONLY, CONF_REGION: self._region},
            options={CONF_CARS: self._cars},
        )

    async def async_step_reconfigure_region(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the region of an entry without an account."""
        entry = self._get_reconfigure_entry()
        if user_input is None:
            return self.async_show_form(
                step_id="reconfigure_region",
                data_schema=self.add_suggested_values_to_schema(
                    REGION_SCHEMA, entry.data
                ),
            )
        region = user_input[CONF_REGION]
        if entry.data[CONF_PROVIDER] == PROVIDER_BLUETOOTH_ONLY:
            return self.async_update_reload_and_abort(entry, data_updates=user_input)
        return await self.async_update_entry(
            entry,
            unique_id=_watch_unique_id(region),
            places=(entry.data[CONF_REGION], region),
            data={**entry.data, CONF_REGION: region},
        )


def _watch_unique_id(region: str) -> str:
    return f"watch_{region}"
