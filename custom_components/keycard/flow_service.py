"""Sets up a service in between: Teslemetry by sign-in or token, Tessie by token."""

from typing import Any

import voluptuous as vol

from homeassistant.config_entries import ConfigEntry, ConfigFlowResult
from homeassistant.const import CONF_CLIENT_ID, CONF_REGION, CONF_TOKEN
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.loader import async_get_integration

from .const import (
    CONF_BASE_URL,
    CONF_PROVIDER,
    DOMAIN,
    PROVIDER_TESLEMETRY,
    PROVIDER_TESSIE,
)
from .flow_base import KeycardFlow, account_of, of_other_account, passes, server_id
from .flow_check import BASE, Check, check_server, find_region
from .flow_fields import ANYWAY_FIELD, CONF_ANYWAY, TOKEN_SCHEMA, clean_token, region_of
from .providers import SERVICES
from .sign_in import TeslemetrySignIn
from .vehicle.links import register_at_teslemetry


class ServiceSteps(KeycardFlow):
    """Asks for the account that an owner has with a service."""

    _client_id = ""

    async def async_step_teslemetry(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask how to get in."""
        return self.async_show_menu(
            step_id="teslemetry",
            menu_options=["teslemetry_sign_in", "teslemetry_token"],
        )

    async def async_step_teslemetry_sign_in(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have the service know this home, and send the owner there."""
        integration = await async_get_integration(self.hass, DOMAIN)
        client_id = await register_at_teslemetry(
            async_get_clientsession(self.hass),
            name=self.hass.config.location_name,
            software_id=DOMAIN,
            software_version=str(integration.version),
        )
        if client_id is None:
            return self.async_show_form(
                step_id="teslemetry_sign_in",
                data_schema=vol.Schema({}),
                errors={BASE: "service_unreachable"},
            )
        return await self._async_to_teslemetry(client_id)

    async def async_teslemetry_reauth(self) -> ConfigFlowResult:
        """Send the owner of an entry to the sign-in again."""
        entry = self._get_reauth_entry()
        return await self._async_to_teslemetry(entry.data[CONF_CLIENT_ID])

    async def _async_to_teslemetry(self, client_id: str) -> ConfigFlowResult:
        self._client_id = client_id
        self.flow_impl = TeslemetrySignIn(self.hass, client_id)
        return await self.async_step_auth()

    async def async_teslemetry_signed_in(
        self, signed_in: dict[str, Any]
    ) -> ConfigFlowResult:
        """Take the sign-in; the service may be down for all else."""
        token = signed_in[CONF_TOKEN]["access_token"]
        data, check = await self._async_try_token(PROVIDER_TESLEMETRY, token)
        if check.error is not None and not check.may_pass:
            return self.async_abort(reason="account_refused")
        entry = self.changed_entry
        if entry is not None and of_other_account(entry, check) is not None:
            return self.async_abort(reason="other_account")
        more = {**signed_in, CONF_CLIENT_ID: self._client_id}
        return await self._async_take({**data, **more}, check)

    async def async_step_teslemetry_token(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a token of Teslemetry's."""
        return await self._async_step_token(
            PROVIDER_TESLEMETRY, "teslemetry_token", user_input
        )

    async def async_step_tessie(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a token of Tessie's."""
        return await self._async_step_token(PROVIDER_TESSIE, "tessie", user_input)

    async def async_step_reconfigure_service(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take another token of the same account."""
        entry = self._get_reconfigure_entry()
        return await self._async_step_token(
            entry.data[CONF_PROVIDER], "reconfigure_service", user_input
        )

    async def _async_step_token(
        self, provider: str, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Ask for a token, and try it."""
        check = Check()
        if user_input is not None:
            token = clean_token(user_input[CONF_TOKEN])
            if token is None:
                data: dict[str, Any] = {}
                check = Check(error="token_form", where=CONF_TOKEN)
            else:
                data, check = await self._async_try_token(provider, token)
            if passes(check, user_input):
                entry = self.changed_entry
                other = None if entry is None else of_other_account(entry, check)
                if other is None:
                    return await self._async_take(data, check)
                check = other
        schema = TOKEN_SCHEMA.extend(ANYWAY_FIELD) if check.may_pass else TOKEN_SCHEMA
        suggested = {
            key: value
            for key, value in (user_input or {}).items()
            if key != CONF_ANYWAY
        }
        where = CONF_TOKEN if check.where == CONF_TOKEN else BASE
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors={} if check.error is None else {where: check.error},
            description_placeholders={
                "service": SERVICES[provider].name,
                "console": SERVICES[provider].console,
            },
        )

    async def _async_try_token(
        self, provider: str, token: str
    ) -> tuple[dict[str, Any], Check]:
        """Return the data of an entry, and what trying the token brought."""
        base_url = _base_url(self.changed_entry, provider)
        check = await check_server(self.hass, base_url, token)
        region = await find_region(self.hass, base_url, token)
        data = {
            CONF_PROVIDER: provider,
            CONF_REGION: region
            or _region(self.changed_entry, self.hass.config.country),
            CONF_BASE_URL: base_url,
            CONF_TOKEN: token,
        }
        return data, check

    async def _async_take(self, data: dict[str, Any], check: Check) -> ConfigFlowResult:
        """Make the entry, or change it."""
        entry = self.changed_entry
        if entry is None and self.all_known(check.vins):
            return self.async_abort(reason="already_configured")
        account = check.account or (account_of(entry) if entry else None)
        return await self.async_finish(
            unique_id=server_id(data[CONF_BASE_URL], account),
            title=SERVICES[data[CONF_PROVIDER]].name,
            data=data,
        )


def _base_url(entry: ConfigEntry | None, provider: str) -> str:
    return entry.data[CONF_BASE_URL] if entry else SERVICES[provider].base_url


def _region(entry: ConfigEntry | None, country: str | None) -> str:
    """Return the region to take where the service does not tell it."""
    return entry.data[CONF_REGION] if entry else region_of(country)
