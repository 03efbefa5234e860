"""Config flow steps for third parties: own server, Teslemetry and Tessie."""

from collections.abc import Mapping
from typing import Any

import voluptuous as vol

from homeassistant.config_entries import ConfigEntry, ConfigFlowResult
from homeassistant.const import CONF_CLIENT_ID, CONF_REGION, CONF_TOKEN
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.loader import async_get_integration

from ..auth.oauth import TeslemetryOAuthImplementation
from ..const import (
    CONF_BASE_URL,
    CONF_FINGERPRINT,
    CONF_PROVIDER,
    DOMAIN,
    PROVIDER_COMPATIBLE,
    PROVIDER_TESLEMETRY,
    PROVIDER_TESSIE,
)
from ..outage.endpoints import region_of_country, region_of_host
from ..providers import SERVICES
from ..transport.cloud import register_at_teslemetry
from .base import (
    KeycardFlow,
    account_of,
    async_cloud_title,
    check_same_account,
    is_accepted,
    server_unique_id,
)
from .certificate import CERTIFICATE, CertificateSteps
from .fields import (
    ANYWAY_FIELD,
    ANYWAY_SCHEMA,
    CONF_ANYWAY,
    SERVER_SCHEMA,
    TOKEN_SCHEMA,
    clean_token,
    is_https_or_local,
    normalize_url,
)
from .server_check import BASE, ConnectionCheck, check_server, find_region


class ServerSteps(CertificateSteps):
    """Steps for the user's own server."""

    async def async_step_compatible(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the server and its token, and check them."""
        entry = self.changed_entry
        if user_input is None:
            suggested = {CONF_REGION: region_of_country(self.hass.config.country)}
            return self._show_server(
                entry.data if entry else suggested, ConnectionCheck()
            )
        data, check = await self._async_check_server(user_input)
        base_url = data[CONF_BASE_URL]
        if check.error == CERTIFICATE:
            result = await self.async_confirm_certificate(
                base_url, user_input, self.async_step_compatible
            )
            if result is not None:
                return result
        if not is_accepted(check, user_input):
            return self._show_server(user_input, check)
        if entry is not None:
            if (other := check_same_account(entry, check)) is not None:
                return self._show_server(user_input, other)
            return await self.async_update_entry(
                entry,
                unique_id=server_unique_id(
                    base_url, check.account or account_of(entry)
                ),
                places=(entry.data[CONF_BASE_URL], base_url),
                data=data,
            )
        self._async_abort_entries_match(
            {key: data[key] for key in (CONF_BASE_URL, CONF_TOKEN)}
        )
        await self.async_set_unique_id(server_unique_id(base_url, check.account))
        self._abort_if_unique_id_configured()
        if self.all_vehicles_configured(check.vins):
            return self.async_abort(reason="already_configured")
        return self.async_create_keycard_entry(
            title=await async_cloud_title(self.hass, base_url), data=data
        )

    def _show_server(
        self, suggested: Mapping[str, Any], check: ConnectionCheck
    ) -> ConfigFlowResult:
        """Show the form for a server with the result of the check."""
        values = dict(suggested)
        values.pop(CONF_ANYWAY, None)
        right_url = normalize_url(check.right_url or "")
        if right_url is not None and (region := region_of_host(right_url)) is not None:
            # A response may name any URL: suggest only Tesla's own hosts.
            values |= {CONF_BASE_URL: right_url, CONF_REGION: region}
        schema = ANYWAY_SCHEMA if check.can_override else SERVER_SCHEMA
        return self.async_show_form(
            step_id="compatible",
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=check.form_errors(schema),
            description_placeholders={"example": "https://proxy.example.org"},
        )

    async def _async_check_server(
        self, user_input: Mapping[str, Any]
    ) -> tuple[dict[str, Any], ConnectionCheck]:
        """Return the entry data, and the result of the check."""
        base_url = normalize_url(user_input[CONF_BASE_URL])
        # The region of one of Tesla's own hosts overrides the user's choice.
        region = region_of_host(base_url) if base_url else None
        token = clean_token(user_input[CONF_TOKEN])
        data = {
            CONF_PROVIDER: PROVIDER_COMPATIBLE,
            CONF_REGION: region or user_input[CONF_REGION],
            CONF_BASE_URL: base_url,
            CONF_TOKEN: token,
        }
        if base_url is None:
            return data, ConnectionCheck(error="invalid_url", error_field=CONF_BASE_URL)
        if not is_https_or_local(base_url):
            return data, ConnectionCheck(
                error="not_encrypted", error_field=CONF_BASE_URL
            )
        if token is None:
            return data, ConnectionCheck(error="token_form", error_field=CONF_TOKEN)
        entry, known_fingerprint = self.changed_entry, None
        if entry is not None and entry.data[CONF_BASE_URL] == base_url:
            known_fingerprint = entry.data.get(CONF_FINGERPRINT)
        check, fingerprint = await self.async_check_pinned(
            base_url,
            known_fingerprint,
            lambda pin: check_server(
                self.hass, base_url, token, pin, own_server=region is None
            ),
        )
        if fingerprint is not None:
            data[CONF_FINGERPRINT] = fingerprint
        return data, check


class ServiceSteps(KeycardFlow):
    """Steps for an account at Teslemetry or Tessie."""

    _client_id = ""
    _service = ""

    async def async_step_teslemetry(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to sign in or to enter a token."""
        return self.async_show_menu(
            step_id="teslemetry",
            menu_options=["teslemetry_sign_in", "teslemetry_token"],
        )

    async def async_step_teslemetry_sign_in(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Register this home at Teslemetry and go to the sign-in."""
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
        return await self._async_sign_in_to_teslemetry(client_id)

    async def async_teslemetry_reauth(self) -> ConfigFlowResult:
        """Ask the user of an entry to sign in again."""
        entry = self._get_reauth_entry()
        return await self._async_sign_in_to_teslemetry(entry.data[CONF_CLIENT_ID])

    async def _async_sign_in_to_teslemetry(self, client_id: str) -> ConfigFlowResult:
        self._client_id = client_id
        self.flow_impl = TeslemetryOAuthImplementation(self.hass, client_id)
        return await self.async_step_auth()

    async def async_teslemetry_signed_in(
        self, signed_in: dict[str, Any]
    ) -> ConfigFlowResult:
        """Check the token; an outage of the service does not stop the flow."""
        token = signed_in[CONF_TOKEN]["access_token"]
        data, check = await self._async_check_token(PROVIDER_TESLEMETRY, token)
        if check.error is not None and not check.can_override:
            return self.async_abort(reason="account_refused")
        entry = self.changed_entry
        if entry is not None and check_same_account(entry, check) is not None:
            return self.async_abort(reason="other_account")
        more = {**signed_in, CONF_CLIENT_ID: self._client_id}
        return await self._async_finish({**data, **more}, check)

    async def async_step_teslemetry_token(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up Teslemetry with a token."""
        return await self.async_ask_for_token(PROVIDER_TESLEMETRY)

    async def async_step_tessie(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up Tessie."""
        return await self.async_ask_for_token(PROVIDER_TESSIE)

    async def async_ask_for_token(self, provider: str) -> ConfigFlowResult:
        """Ask for a token of a service."""
        self._service = provider
        return await self.async_step_token()

    async def async_step_token(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a token and check it."""
        check = ConnectionCheck()
        if user_input is not None:
            token = clean_token(user_input[CONF_TOKEN])
            if token is None:
                data: dict[str, Any] = {}
                check = ConnectionCheck(error="token_form", error_field=CONF_TOKEN)
            else:
                data, check = await self._async_check_token(self._service, token)
            if is_accepted(check, user_input):
                entry = self.changed_entry
                other = None if entry is None else check_same_account(entry, check)
                if other is None:
                    return await self._async_finish(data, check)
                check = other
        schema = (
            TOKEN_SCHEMA.extend(ANYWAY_FIELD) if check.can_override else TOKEN_SCHEMA
        )
        suggested = {
            key: value
            for key, value in (user_input or {}).items()
            if key != CONF_ANYWAY
        }
        return self.async_show_form(
            step_id="token",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            errors=check.form_errors(schema),
            description_placeholders={
                "service": SERVICES[self._service].name,
                "console": SERVICES[self._service].console_url,
            },
        )

    async def _async_check_token(
        self, provider: str, token: str
    ) -> tuple[dict[str, Any], ConnectionCheck]:
        """Return the entry data, and the result of the check."""
        base_url = _base_url(self.changed_entry, provider)
        check = await check_server(self.hass, base_url, token)
        region = await find_region(self.hass, base_url, token)
        data = {
            CONF_PROVIDER: provider,
            CONF_REGION: region
            or _default_region(self.changed_entry, self.hass.config.country),
            CONF_BASE_URL: base_url,
            CONF_TOKEN: token,
        }
        return data, check

    async def _async_finish(
        self, data: dict[str, Any], check: ConnectionCheck
    ) -> ConfigFlowResult:
        """Create or update the entry."""
        entry = self.changed_entry
        if entry is None and self.all_vehicles_configured(check.vins):
            return self.async_abort(reason="already_configured")
        account = check.account or (account_of(entry) if entry else None)
        return await self.async_create_or_update(
            unique_id=server_unique_id(data[CONF_BASE_URL], account),
            title=SERVICES[data[CONF_PROVIDER]].name,
            data=data,
        )


def _base_url(entry: ConfigEntry | None, provider: str) -> str:
    return entry.data[CONF_BASE_URL] if entry else SERVICES[provider].base_url


def _default_region(entry: ConfigEntry | None, country: str | None) -> str:
    """Return the default region, if the service does not report it."""
    return entry.data[CONF_REGION] if entry else region_of_country(country)
