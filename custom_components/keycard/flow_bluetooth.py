"""Sets up a car that is reached over Bluetooth alone: there is no account."""

from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentryData,
)
from homeassistant.const import CONF_NAME, CONF_REGION

from .const import (
    CONF_CARS,
    CONF_PROVIDER,
    PROVIDER_BLUETOOTH_ONLY,
    SUBENTRY_BLUETOOTH_KEY,
)
from .flow_base import KeycardFlow
from .flow_fields import NAMED_VIN_SCHEMA, REGION_FIELD, REGION_SCHEMA, region_of
from .flow_pairing import PairingSteps, read_new_vin
from .takeover import car_of_vin

_SCHEMA = NAMED_VIN_SCHEMA.extend({vol.Required(CONF_REGION): REGION_FIELD})


class BluetoothSteps(
    PairingSteps[ConfigFlowContext, ConfigFlowResult, str], KeycardFlow
):
    """The steps of an entry without an account."""

    may_wait = True

    def __init__(self) -> None:
        """Start without an answer."""
        super().__init__()
        self._region_of_car = ""

    async def async_step_bluetooth_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which car it is; its cloud is watched, for notices name its key."""
        errors: dict[str, str] = {}
        holder = ""
        if user_input is not None:
            vin, errors, holder = read_new_vin(self.hass, user_input)
            if not errors:
                # A page that was closed is no reason not to begin anew.
                await self.async_set_unique_id(vin, raise_on_progress=False)
                self._abort_if_unique_id_configured()
                self.vin, self.name = vin, user_input[CONF_NAME].strip()
                self._region_of_car = user_input[CONF_REGION]
                return await self.async_step_pair()
        return self.async_show_form(
            step_id="bluetooth_only",
            data_schema=self.add_suggested_values_to_schema(
                _SCHEMA,
                user_input or {CONF_REGION: region_of(self.hass.config.country)},
            ),
            errors=errors,
            description_placeholders={"entry": holder},
        )

    @override
    async def async_step_paired(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up the car, with its key if it has been paired."""
        key = ConfigSubentryData(
            data=self.key_data,
            subentry_type=SUBENTRY_BLUETOOTH_KEY,
            title=self.name,
            unique_id=self.vin,
        )
        return self.async_set_up(
            title=self.name,
            data={
                CONF_PROVIDER: PROVIDER_BLUETOOTH_ONLY,
                CONF_REGION: self._region_of_car,
            },
            options={CONF_CARS: {self.vin: car_of_vin(self.vin, self.name)}},
            subentries=[key] if self.address else None,
        )

    async def async_step_reconfigure_bluetooth_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the region to watch."""
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            return self.async_update_reload_and_abort(entry, data_updates=user_input)
        return self.async_show_form(
            step_id="reconfigure_bluetooth_only",
            data_schema=self.add_suggested_values_to_schema(REGION_SCHEMA, entry.data),
        )
