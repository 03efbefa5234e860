"""What the flows of all providers share."""

from collections.abc import Iterable, Mapping
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
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2FlowHandler

from ..const import CONF_BASE_URL, DOMAIN
from .fields import CONF_ANYWAY
from .server_check import ConnectionCheck

REGION_NAMES = {"na": "North America, Asia-Pacific", "eu": "Europe", "cn": "China"}

# Where an owner chooses what to rehearse.
DRILL_LINK = f"/config/tools/action?service={DOMAIN}.start_drill"

_LOGGER = logging.getLogger(__name__)


class KeycardFlow(AbstractOAuth2FlowHandler):
    """Base of the steps of each provider."""

    DOMAIN = DOMAIN

    @property
    @override
    def logger(self) -> logging.Logger:
        """Return the logger of the sign-ins."""
        return _LOGGER

    @property
    def changed_entry(self) -> ConfigEntry | None:
        """Return the entry that this flow changes, None if it makes a new one."""
        if self.source == SOURCE_REAUTH:
            return self._get_reauth_entry()
        if self.source == SOURCE_RECONFIGURE:
            return self._get_reconfigure_entry()
        return None

    async def async_create_or_update(
        self, *, unique_id: str, title: str, data: dict[str, Any]
    ) -> ConfigFlowResult:
        """Make an entry, or change the one that this flow is about."""
        await self.async_set_unique_id(unique_id)
        if (entry := self.changed_entry) is None:
            self._abort_if_unique_id_configured()
            return self.async_set_up(title=title, data=data)
        if entry.unique_id != unique_id:
            self._abort_if_unique_id_configured()
        return self.async_update_reload_and_abort(entry, unique_id=unique_id, data=data)

    def async_set_up(
        self,
        *,
        title: str,
        data: dict[str, Any],
        options: Mapping[str, Any] | None = None,
        subentries: Iterable[ConfigSubentryData] | None = None,
    ) -> ConfigFlowResult:
        """Make an entry, and tell its owner how to rehearse."""
        return self.async_create_entry(
            title=title,
            data=data,
            options=options,
            subentries=subentries,
            description_placeholders={"drill": DRILL_LINK},
        )

    async def async_update_entry(
        self,
        entry: ConfigEntry,
        *,
        unique_id: str,
        titles: tuple[str, str],
        data: dict[str, Any],
    ) -> ConfigFlowResult:
        """Change an entry, unless another one is what it would become.

        `titles` are what it was called by itself, and what it is called now.
        """
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

    def all_known(self, vins: frozenset[str]) -> bool:
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


def is_accepted(check: ConnectionCheck, user_input: Mapping[str, Any] | None) -> bool:
    """Return whether a check passed or the user overrides its error."""
    return check.error is None or (
        check.can_override and bool((user_input or {}).get(CONF_ANYWAY))
    )


def check_same_account(
    entry: ConfigEntry, check: ConnectionCheck
) -> ConnectionCheck | None:
    """Return the error that a token belongs to another account, None if it does not."""
    known = account_of(entry)
    if known and check.account and check.account != known:
        return ConnectionCheck(error="other_account", error_field=CONF_TOKEN)
    return None


def cloud_title(region: str) -> str:
    """Return what the cloud of a region is called."""
    return f"Tesla cloud ({REGION_NAMES[region]})"


def server_id(base_url: str, account: str | None) -> str:
    """Name an account at a server, or the server if no car tells the account."""
    return base_url if account is None else f"{account}@{URL(base_url).authority}"


def account_of(entry: ConfigEntry) -> str | None:
    """Return the account that an entry was set up with, if it is known."""
    unique_id = entry.unique_id or ""
    return None if unique_id == entry.data[CONF_BASE_URL] else unique_id.split("@")[0]
