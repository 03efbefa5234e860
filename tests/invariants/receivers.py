"""Receivers of notifications, for tests."""

from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .home import HomeUnderTest


def receiver(
    kind: str, target: str = "", name: str = "", **data: Any
) -> ConfigSubentry:
    """Return the subentry of a receiver."""
    return ConfigSubentry(
        data=MappingProxyType(
            {"kind": kind, "target": target, **data} if target else {"kind": kind}
        ),
        subentry_type="receiver",
        title=name or kind,
        unique_id=f"{kind}:{target}" if target else kind,
    )


async def settled_with(
    home: HomeUnderTest, entry: MockConfigEntry, *receivers: Any
) -> MockConfigEntry:
    """Set up an entry with receivers."""
    entry.add_to_hass(home.hass)
    for one in receivers:
        home.hass.config_entries.async_add_subentry(entry, one)
    return await home.set_up_operational(entry)
