"""Subentries of receivers, for tests."""

from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry


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
