"""Receivers and settings of a config entry."""

from types import MappingProxyType

from homeassistant.config_entries import ConfigEntry, ConfigSubentry, ConfigSubentryData
from homeassistant.core import HomeAssistant, callback

from ..const import CONF_NOTIFICATIONS, SUBENTRY_RECEIVER
from .receivers import Receiver, Settings

# The name of Home Assistant is the same in every language.
BELL_NAME = "Home Assistant"


def settings_of(entry: ConfigEntry) -> Settings:
    """Return the settings of the notifications of an entry."""
    return Settings.from_options(entry.options.get(CONF_NOTIFICATIONS, {}))


def receivers_of(entry: ConfigEntry) -> tuple[Receiver, ...]:
    """Return the receivers of an entry."""
    return tuple(
        Receiver.from_data(subentry.data, subentry.title)
        for subentry in entry.get_subentries_of_type(SUBENTRY_RECEIVER)
    )


def receiver_subentry(receiver: Receiver) -> ConfigSubentryData:
    """Return the subentry of a receiver."""
    return ConfigSubentryData(
        data=receiver.as_data(),
        subentry_type=SUBENTRY_RECEIVER,
        title=receiver.name,
        unique_id=receiver.id,
    )


@callback
def async_add_receiver(
    hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentryData
) -> None:
    """Add a receiver to an entry that does not have it."""
    known = {one.unique_id for one in entry.subentries.values()}
    if subentry["unique_id"] not in known:
        hass.config_entries.async_add_subentry(
            entry,
            ConfigSubentry(
                data=MappingProxyType(dict(subentry["data"])),
                subentry_type=subentry["subentry_type"],
                title=subentry["title"],
                unique_id=subentry["unique_id"],
            ),
        )
