"""Sets Keycard up."""

from collections.abc import Mapping
from typing import Any, override

from yarl import URL

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlow,
)
from homeassistant.const import CONF_NAME, CONF_REGION, CONF_TOKEN
from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr

from .const import (
    CONF_BASE_URL,
    CONF_CARS,
    CONF_PROVIDER,
    DOMAIN,
    PROVIDER_COMPATIBLE,
    PROVIDER_WATCH_ONLY,
)
from .flow_check import BASE, Check, check_server
from .flow_fields import (
    ANYWAY_SCHEMA,
    CONF_ANOTHER,
    CONF_ANYWAY,
    NEW_CAR_SCHEMA,
    REGION_SCHEMA,
    SERVER_SCHEMA,
    TOKEN_SCHEMA,
    car_options,
    is_safe,
    new_car_id,
    normalised,
    region_at,
    region_of,
)
from .flow_options import KeycardOptionsFlow

REGION_NAMES = {"na": "North America, Asia-Pacific", "eu": "Europe", "cn": "China"}


class KeycardConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets up an entry, changes it, and takes a new token."""

    VERSION = 1

    def __init__(self) -> None:
        """Start without an answer."""
        self._region = ""
        self._cars: dict[str, dict[str, Any]] = {}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow that changes the options."""
        return KeycardOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask who is to speak for the cars."""
        return self.async_show_menu(
            step_id="user", menu_options=[PROVIDER_WATCH_ONLY, PROVIDER_COMPATIBLE]
        )

    async def async_step_watch_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the region to watch; nothing is tried, for an outage may be on."""
        if user_input is not None:
            self._region = user_input[CONF_REGION]
            await self.async_set_unique_id(_watch_id(self._region))
            self._abort_if_unique_id_configured()
            return await self.async_step_car()
        return self.async_show_form(
            step_id="watch_only",
            data_schema=self.add_suggested_values_to_schema(
                REGION_SCHEMA, {CONF_REGION: region_of(self.hass.config.country)}
            ),
        )

    async def async_step_car(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for one car after the other."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if not user_input[CONF_NAME].strip():
                errors[CONF_NAME] = "no_name"
            else:
                car_id = new_car_id(self.hass, user_input[CONF_NAME], self._cars)
                self._cars[car_id] = car_options(user_input)
                if not user_input[CONF_ANOTHER]:
                    return self.async_create_entry(
                        title=_cloud_title(self._region),
                        data={
                            CONF_PROVIDER: PROVIDER_WATCH_ONLY,
                            CONF_REGION: self._region,
                        },
                        options={CONF_CARS: self._cars},
                    )
        return self.async_show_form(
            step_id="car",
            data_schema=self.add_suggested_values_to_schema(
                NEW_CAR_SCHEMA, user_input if errors else None
            ),
            errors=errors,
            description_placeholders={
                "cars": ", ".join(car[CONF_NAME] for car in self._cars.values()) or "-"
            },
        )

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
        if not _passes(check, user_input):
            return self._show_server("compatible", user_input, check)
        self._async_abort_entries_match(
            {key: data[key] for key in (CONF_BASE_URL, CONF_TOKEN)}
        )
        await self.async_set_unique_id(_server_id(data[CONF_BASE_URL], check.account))
        self._abort_if_unique_id_configured()
        if self._all_known(check.vins):
            return self.async_abort(reason="already_configured")
        return self.async_create_entry(
            title=_server_title(data[CONF_BASE_URL]), data=data
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change what an entry was set up with."""
        if self._get_reconfigure_entry().data[CONF_PROVIDER] == PROVIDER_WATCH_ONLY:
            return await self.async_step_reconfigure_watch_only(user_input)
        return await self.async_step_reconfigure_compatible(user_input)

    async def async_step_reconfigure_watch_only(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the region to watch."""
        entry = self._get_reconfigure_entry()
        if user_input is None:
            return self.async_show_form(
                step_id="reconfigure_watch_only",
                data_schema=self.add_suggested_values_to_schema(
                    REGION_SCHEMA, entry.data
                ),
            )
        region = user_input[CONF_REGION]
        return await self._async_replace(
            entry,
            unique_id=_watch_id(region),
            titles=(_cloud_title(entry.data[CONF_REGION]), _cloud_title(region)),
            data={**entry.data, CONF_REGION: region},
        )

    async def async_step_reconfigure_compatible(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the server, the token or the region."""
        step = "reconfigure_compatible"
        entry = self._get_reconfigure_entry()
        if user_input is None:
            return self._show_server(step, entry.data, Check())
        data, check = await self._async_try_server(user_input)
        if not _passes(check, user_input):
            return self._show_server(step, user_input, check)
        known = _account_of(entry)
        if known and check.account and check.account != known:
            other = Check(error="other_account", where=CONF_TOKEN)
            return self._show_server(step, user_input, other)
        base_url = data[CONF_BASE_URL]
        return await self._async_replace(
            entry,
            unique_id=_server_id(base_url, check.account or known),
            titles=(
                _server_title(entry.data[CONF_BASE_URL]),
                _server_title(base_url),
            ),
            data=data,
        )

    async def async_step_reauth(
        self, _entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Begin to ask for a new token."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new token, and try it."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            token = user_input[CONF_TOKEN].strip()
            check = await check_server(self.hass, entry.data[CONF_BASE_URL], token)
            known = _account_of(entry)
            if check.error is not None:
                # The address stood the test before: only the token is asked for.
                where = CONF_TOKEN if check.where == CONF_TOKEN else BASE
                errors[where] = check.error
            elif known and check.account and check.account != known:
                errors[CONF_TOKEN] = "other_account"
            else:
                return self.async_update_reload_and_abort(
                    entry, data_updates={CONF_TOKEN: token}
                )
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=TOKEN_SCHEMA,
            errors=errors,
            description_placeholders={"url": entry.data[CONF_BASE_URL]},
        )

    def _show_server(
        self, step_id: str, suggested: Mapping[str, Any], check: Check
    ) -> ConfigFlowResult:
        """Show the form for a server, with what was wrong."""
        values = dict(suggested)
        values.pop(CONF_ANYWAY, None)
        right = normalised(check.right_url or "")
        if right is not None and is_safe(right):
            values[CONF_BASE_URL] = right
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
        data = {
            CONF_PROVIDER: PROVIDER_COMPATIBLE,
            CONF_REGION: region or user_input[CONF_REGION],
            CONF_BASE_URL: base_url,
            CONF_TOKEN: user_input[CONF_TOKEN].strip(),
        }
        if base_url is None:
            return data, Check(error="invalid_url", where=CONF_BASE_URL)
        if not is_safe(base_url):
            return data, Check(error="not_encrypted", where=CONF_BASE_URL)
        return data, await check_server(self.hass, base_url, data[CONF_TOKEN])

    async def _async_replace(
        self,
        entry: ConfigEntry,
        *,
        unique_id: str,
        titles: tuple[str, str],
        data: dict[str, Any],
    ) -> ConfigFlowResult:
        """Change an entry, unless another one is what it would become."""
        if unique_id != entry.unique_id:
            await self.async_set_unique_id(unique_id)
            self._abort_if_unique_id_configured()
        old, new = titles
        return self.async_update_reload_and_abort(
            entry,
            unique_id=unique_id,
            title=new if entry.title == old else entry.title,
            data=data,
        )

    def _all_known(self, vins: frozenset[str]) -> bool:
        """Return whether other entries hold all these cars already."""
        registry = dr.async_get(self.hass)
        entries = self.hass.config_entries.async_entries(DOMAIN)
        return bool(vins) and all(
            any(
                registry.async_get_device_by_identifier((DOMAIN, vin), entry.entry_id)
                for entry in entries
            )
            for vin in vins
        )


def _passes(check: Check, user_input: Mapping[str, Any]) -> bool:
    """Return whether a server works, or the owner takes it for working."""
    return check.error is None or (check.may_pass and bool(user_input.get(CONF_ANYWAY)))


def _watch_id(region: str) -> str:
    return f"watch_{region}"


def _cloud_title(region: str) -> str:
    return f"Tesla cloud ({REGION_NAMES[region]})"


def _server_id(base_url: str, account: str | None) -> str:
    """Name an account at a server, or the server if no car tells the account."""
    return base_url if account is None else f"{account}@{URL(base_url).authority}"


def _account_of(entry: ConfigEntry) -> str | None:
    """Return the account that an entry was set up with, if it is known."""
    unique_id = entry.unique_id or ""
    return None if unique_id == entry.data[CONF_BASE_URL] else unique_id.split("@")[0]


def _server_title(base_url: str) -> str:
    region = region_at(base_url)
    return _cloud_title(region) if region else f"Tesla cloud ({URL(base_url).host})"
