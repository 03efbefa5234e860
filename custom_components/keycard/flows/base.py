"""Base of the config flow steps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import logging
from typing import Any, override

from yarl import URL

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryData,
)
from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2FlowHandler

from ..const import CONF_BASE_URL, CONF_NOTIFICATIONS, DOMAIN
from ..notifications.text import async_load_translations
from ..outage.endpoints import region_of_host
from .fields import CONF_ANYWAY
from .receivers import chosen_receivers, receivers_schema
from .server_check import ConnectionCheck

# The page with all devices of Keycard.
DEVICES_LINK = f"/config/integrations/integration/{DOMAIN}"

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NewEntry:
    """Entry to create after the step for the receivers of notifications."""

    title: str
    data: dict[str, Any]
    options: Mapping[str, Any]
    subentries: tuple[ConfigSubentryData, ...]


class KeycardFlow(AbstractOAuth2FlowHandler):
    """Base class for the steps of a provider."""

    _new_entry: NewEntry

    DOMAIN = DOMAIN

    @property
    @override
    def logger(self) -> logging.Logger:
        """Return the logger."""
        return _LOGGER

    @property
    def changed_entry(self) -> ConfigEntry | None:
        """Return the entry that this flow changes, None if it creates one."""
        if self.source == SOURCE_REAUTH:
            return self._get_reauth_entry()
        if self.source == SOURCE_RECONFIGURE:
            return self._get_reconfigure_entry()
        return None

    async def async_create_or_update(
        self, *, unique_id: str, title: str, data: dict[str, Any]
    ) -> ConfigFlowResult:
        """Create an entry, or update the one that this flow changes."""
        await self.async_set_unique_id(unique_id)
        if (entry := self.changed_entry) is None:
            self._abort_if_unique_id_configured()
            return self.async_create_keycard_entry(title=title, data=data)
        if entry.unique_id != unique_id:
            self._abort_if_unique_id_configured()
        return self.async_update_reload_and_abort(entry, unique_id=unique_id, data=data)

    def async_create_keycard_entry(
        self,
        *,
        title: str,
        data: dict[str, Any],
        options: Mapping[str, Any] | None = None,
        subentries: Iterable[ConfigSubentryData] | None = None,
    ) -> ConfigFlowResult:
        """Create an entry after the step for the receivers of notifications."""
        self._new_entry = NewEntry(
            title=title,
            data=data,
            options={**(options or {}), CONF_NOTIFICATIONS: {}},
            subentries=tuple(subentries or ()),
        )
        return self._show_receivers()

    def _show_receivers(self) -> ConfigFlowResult:
        return self.async_show_form(
            step_id="receivers",
            data_schema=receivers_schema(self.hass),
            last_step=True,
        )

    async def async_step_receivers(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Create the entry with its receivers."""
        if user_input is None:
            return self._show_receivers()
        new = self._new_entry
        return self.async_create_entry(
            title=new.title,
            data=new.data,
            options=new.options,
            subentries=[*new.subentries, *chosen_receivers(self.hass, user_input)],
            description_placeholders={"device": DEVICES_LINK},
        )

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Link the last page to the device of the new entry."""
        entry = result["result"]
        device = dr.async_get(self.hass).async_get_device_by_identifier(
            (DOMAIN, entry.entry_id), entry.entry_id
        )
        if device is not None:
            link = f"/config/devices/device/{device.id}"
            result["description_placeholders"] = {"device": link}
        return result

    async def async_update_entry(
        self,
        entry: ConfigEntry,
        *,
        unique_id: str,
        places: tuple[str, str],
        data: dict[str, Any],
    ) -> ConfigFlowResult:
        """Update an entry, unless another entry has its new unique ID.

        `places` are the old and the new region or server of its default title.
        """
        if unique_id != entry.unique_id:
            await self.async_set_unique_id(unique_id)
            self._abort_if_unique_id_configured()
        old, new = places
        title = entry.title
        # Home Assistant may have had another language when it created the entry.
        if title in [
            await async_cloud_title(self.hass, old, language)
            for language in (None, "en")
        ]:
            title = await async_cloud_title(self.hass, new)
        return self.async_update_reload_and_abort(
            entry, unique_id=unique_id, title=title, data=data
        )

    def all_vehicles_configured(self, vins: frozenset[str]) -> bool:
        """Return whether other entries have all these vehicles already."""
        registry = dr.async_get(self.hass)
        entries = self.hass.config_entries.async_entries(DOMAIN)
        return bool(vins) and all(
            any(
                registry.async_get_device_by_identifier((DOMAIN, vin), entry.entry_id)
                for entry in entries
            )
            for vin in vins
        )


def is_accepted(check: ConnectionCheck, user_input: Mapping[str, Any] | None) -> bool:
    """Return whether a check passed or the user overrides its error."""
    return check.error is None or (
        check.can_override and bool((user_input or {}).get(CONF_ANYWAY))
    )


def check_same_account(
    entry: ConfigEntry, check: ConnectionCheck
) -> ConnectionCheck | None:
    """Return an error if the token belongs to another account."""
    account = account_of(entry)
    if account and check.account and check.account != account:
        return ConnectionCheck(error="other_account", error_field=CONF_TOKEN)
    return None


async def async_cloud_title(
    hass: HomeAssistant, place: str, language: str | None = None
) -> str:
    """Return the title for the cloud of a region or behind the URL of a server."""
    texts = await async_load_translations(hass, language)
    host = URL(place).host
    region = region_of_host(place) if host else place
    if region is None:
        return texts.format("title_server", host=host or "")
    return texts.format(f"title_{region}")


def server_unique_id(base_url: str, account: str | None) -> str:
    """Return the unique ID of an account at a server, or of the server without one."""
    return base_url if account is None else f"{account}@{URL(base_url).authority}"


def account_of(entry: ConfigEntry) -> str | None:
    """Return the account of an entry, if it is known."""
    unique_id = entry.unique_id or ""
    return None if unique_id == entry.data[CONF_BASE_URL] else unique_id.split("@")[0]
