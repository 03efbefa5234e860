"""Config flow for Keycard."""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_TOKEN
from homeassistant.core import callback

from .auth.oauth import TESLEMETRY_IMPLEMENTATION
from .const import (
    CONF_BASE_URL,
    CONF_IMPLEMENTATION,
    CONF_PROVIDER,
    CONF_SERVER,
    DOMAIN,
    ENTRY_MINOR_VERSION,
    ENTRY_VERSION,
    NO_ACCOUNT,
    PROVIDER_BLUETOOTH_ONLY,
    PROVIDER_COMPATIBLE,
    PROVIDER_FLEET,
    PROVIDER_TESLEMETRY,
    PROVIDER_TESSIE,
    PROVIDER_WATCH_ONLY,
    SUBENTRY_BLUETOOTH_KEY,
    SUBENTRY_RECEIVER,
)
from .flows.base import check_same_account
from .flows.bluetooth import BluetoothKeyFlow, BluetoothSteps
from .flows.fields import TOKEN_SCHEMA, clean_token
from .flows.fleet import STEP_FLEET_SERVER, FleetSteps
from .flows.options import KeycardOptionsFlow
from .flows.receivers import ReceiverFlow
from .flows.server_check import ConnectionCheck, check_server
from .flows.services import ServerSteps, ServiceSteps
from .flows.watch import STEP_EXTERNAL, WatchSteps
from .outage.endpoints import region_of_host
from .transport.pinning import pin_from_data

STEP_CONNECT = "connect"
STEP_SERVER = "server"


class KeycardConfigFlow(
    BluetoothSteps, WatchSteps, FleetSteps, ServiceSteps, ServerSteps, domain=DOMAIN
):
    """Handle a config flow for Keycard."""

    VERSION = ENTRY_VERSION
    MINOR_VERSION = ENTRY_MINOR_VERSION

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the options flow."""
        return KeycardOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the subentries that an entry supports."""
        return {
            SUBENTRY_BLUETOOTH_KEY: BluetoothKeyFlow,
            SUBENTRY_RECEIVER: ReceiverFlow,
        }

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the vehicles are in Home Assistant already."""
        if (step_id := await self.async_take_aborted_step()) is not None:
            step: ConfigFlowResult = await getattr(self, f"async_step_{step_id}")()
            return step
        return self.async_show_menu(
            step_id="user",
            menu_options=[STEP_EXTERNAL, STEP_CONNECT],
            description_placeholders={"cars": await self.async_discovered_names()},
        )

    async def async_step_connect(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the provider."""
        return self.async_show_menu(
            step_id=STEP_CONNECT,
            menu_options=[
                PROVIDER_WATCH_ONLY,
                PROVIDER_BLUETOOTH_ONLY,
                PROVIDER_TESLEMETRY,
                PROVIDER_TESSIE,
                PROVIDER_FLEET,
                STEP_SERVER,
            ],
        )

    async def async_step_server(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the kind of the user's own server."""
        return self.async_show_menu(
            step_id=STEP_SERVER, menu_options=[STEP_FLEET_SERVER, PROVIDER_COMPATIBLE]
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Reconfigure an entry."""
        data = self._get_reconfigure_entry().data
        if data[CONF_PROVIDER] in NO_ACCOUNT:
            return await self.async_step_reconfigure_region(user_input)
        if data[CONF_PROVIDER] == PROVIDER_COMPATIBLE:
            return await self.async_step_compatible(user_input)
        if data[CONF_PROVIDER] == PROVIDER_FLEET and CONF_SERVER in data:
            return await self.async_step_fleet_server(user_input)
        if data[CONF_PROVIDER] == PROVIDER_FLEET:
            return await self.async_step_fleet(user_input)
        if CONF_IMPLEMENTATION in data:
            return await self.async_step_teslemetry_sign_in(user_input)
        return await self.async_ask_for_token(data[CONF_PROVIDER])

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Start a reauthentication."""
        if CONF_IMPLEMENTATION in entry_data:
            return await self.async_step_reauth_sign_in()
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_sign_in(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask the user to sign in again."""
        if user_input is None:
            return self.async_show_form(
                step_id="reauth_sign_in", data_schema=vol.Schema({})
            )
        if self._get_reauth_entry().data[CONF_PROVIDER] == PROVIDER_FLEET:
            return await self.async_fleet_reauth()
        return await self.async_teslemetry_reauth()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new token and check it."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            token = clean_token(user_input[CONF_TOKEN])
            check = ConnectionCheck(error="token_form", error_field=CONF_TOKEN)
            if token is not None:
                check = await check_server(
                    self.hass,
                    entry.data[CONF_BASE_URL],
                    token,
                    pin_from_data(entry.data),
                    own_server=entry.data[CONF_PROVIDER] == PROVIDER_COMPATIBLE
                    and region_of_host(entry.data[CONF_BASE_URL]) is None,
                )
                check = (not check.error and check_same_account(entry, check)) or check
            if check.error is None:
                return self.async_update_reload_and_abort(
                    entry, data_updates={CONF_TOKEN: token}
                )
            errors = check.form_errors(TOKEN_SCHEMA)
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=TOKEN_SCHEMA,
            errors=errors,
            description_placeholders={"url": entry.data[CONF_BASE_URL]},
        )

    @override
    async def async_oauth_create_entry(self, data: dict[str, Any]) -> ConfigFlowResult:
        """Continue after the user has signed in."""
        if data[CONF_IMPLEMENTATION] == TESLEMETRY_IMPLEMENTATION:
            return await self.async_teslemetry_signed_in(data)
        return await self.async_fleet_signed_in(data)
