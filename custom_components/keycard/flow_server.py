"""Sets up a server that speaks like the Fleet API, with an address and a token."""

from collections.abc import Mapping
from typing import Any

from yarl import URL

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_REGION, CONF_TOKEN

from .const import CONF_BASE_URL, CONF_FINGERPRINT, CONF_PROVIDER, PROVIDER_COMPATIBLE
from .flow_base import account_of, cloud_title, of_other_account, passes, server_id
from .flow_certificate import CERTIFICATE, CertificateSteps
from .flow_check import Check, check_server
from .flow_fields import (
    ANYWAY_SCHEMA,
    CONF_ANYWAY,
    SERVER_SCHEMA,
    clean_token,
    is_safe,
    normalised,
    region_at,
    region_of,
)


class ServerSteps(CertificateSteps):
    """Asks for a server of the owner's."""

    async def async_step_compatible(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a server and a token, and try them."""
        suggested: Mapping[str, Any] = {
            CONF_REGION: region_of(self.hass.config.country)
        }
        if user_input is None:
            return self._show_server("compatible", suggested, Check())
        data, check = await self._async_try_server(user_input)
        if check.error == CERTIFICATE:
            asked = await self.async_ask_for_trust(
                data[CONF_BASE_URL], user_input, self.async_step_compatible
            )
            if asked is not None:
                return asked
        if not passes(check, user_input):
            return self._show_server("compatible", user_input, check)
        self._async_abort_entries_match(
            {key: data[key] for key in (CONF_BASE_URL, CONF_TOKEN)}
        )
        await self.async_set_unique_id(server_id(data[CONF_BASE_URL], check.account))
        self._abort_if_unique_id_configured()
        if self.all_known(check.vins):
            return self.async_abort(reason="already_configured")
        return self.async_set_up(title=_server_title(data[CONF_BASE_URL]), data=data)

    async def async_step_reconfigure_compatible(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the server, the token or the region."""
        step = "reconfigure_compatible"
        entry = self._get_reconfigure_entry()
        if user_input is None:
            return self._show_server(step, entry.data, Check())
        data, check = await self._async_try_server(user_input)
        if check.error == CERTIFICATE:
            asked = await self.async_ask_for_trust(
                data[CONF_BASE_URL], user_input, self.async_step_reconfigure_compatible
            )
            if asked is not None:
                return asked
        if not passes(check, user_input):
            return self._show_server(step, user_input, check)
        if (other := of_other_account(entry, check)) is not None:
            return self._show_server(step, user_input, other)
        base_url = data[CONF_BASE_URL]
        return await self.async_replace(
            entry,
            unique_id=server_id(base_url, check.account or account_of(entry)),
            titles=(
                _server_title(entry.data[CONF_BASE_URL]),
                _server_title(base_url),
            ),
            data=data,
        )

    def _show_server(
        self, step_id: str, suggested: Mapping[str, Any], check: Check
    ) -> ConfigFlowResult:
        """Show the form for a server, with what was wrong."""
        values = dict(suggested)
        values.pop(CONF_ANYWAY, None)
        right = normalised(check.right_url or "")
        if right is not None and (region := region_at(right)) is not None:
            # An answer names the address: only Tesla's own are worth a token.
            values |= {CONF_BASE_URL: right, CONF_REGION: region}
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                ANYWAY_SCHEMA if check.may_pass else SERVER_SCHEMA, values
            ),
            errors={} if check.error is None else {check.where: check.error},
            description_placeholders={"example": "https://proxy.example.org"},
        )

    async def _async_try_server(
        self, user_input: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Check]:
        """Return the data of an entry, and what trying them brought."""
        base_url = normalised(user_input[CONF_BASE_URL])
        # An address of the maker's own tells the region better than the owner.
        region = region_at(base_url) if base_url else None
        token = clean_token(user_input[CONF_TOKEN])
        data = {
            CONF_PROVIDER: PROVIDER_COMPATIBLE,
            CONF_REGION: region or user_input[CONF_REGION],
            CONF_BASE_URL: base_url,
            CONF_TOKEN: token,
        }
        if base_url is None:
            return data, Check(error="invalid_url", where=CONF_BASE_URL)
        if not is_safe(base_url):
            return data, Check(error="not_encrypted", where=CONF_BASE_URL)
        if token is None:
            return data, Check(error="token_form", where=CONF_TOKEN)
        entry, known = self.changed_entry, None
        if entry is not None and entry.data[CONF_BASE_URL] == base_url:
            known = entry.data.get(CONF_FINGERPRINT)
        check, fingerprint = await self.async_try_pinned(
            base_url,
            known,
            lambda pin: check_server(self.hass, base_url, token, pin),
        )
        if fingerprint is not None:
            data[CONF_FINGERPRINT] = fingerprint
        return data, check


def _server_title(base_url: str) -> str:
    region = region_at(base_url)
    return cloud_title(region) if region else f"Tesla cloud ({URL(base_url).host})"
