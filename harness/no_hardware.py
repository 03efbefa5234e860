"""Keeps the hardware of this machine out of the house: it is not of the story.

Home Assistant would look for its Bluetooth adapters and USB sticks, offer them to be
set up, and complain where it may not have them.
"""

from collections.abc import Callable
from typing import override

from bleak_retry_connector import bleak_manager
from bluetooth_adapters import AdapterDetails, BluetoothAdapters
from habluetooth.channels.bluez import MGMTBluetoothCtl

from homeassistant.components import bluetooth, usb


class NoAdapters(BluetoothAdapters):
    """A machine without Bluetooth of its own."""

    @property
    @override
    def adapters(self) -> dict[str, AdapterDetails]:
        """Return none."""
        return {}

    @property
    @override
    def default_adapter(self) -> str:
        """Return what the first one would be called."""
        return "hci0"


class NoWatcher:
    """Sees nobody plug in a stick; without it Home Assistant looks all the time."""

    def async_register_callback(self, _changed: Callable[[], None]) -> None:
        """Tell nothing, ever."""

    def async_start(self) -> Callable[[], None]:
        """Watch nothing; return how to end that."""
        return lambda: None


async def _refuse(_self: MGMTBluetoothCtl) -> None:
    raise OSError("there is no Bluetooth on this machine")


def install() -> None:
    """Let Home Assistant find neither adapters nor sticks."""
    vars(bluetooth).update(get_adapters=NoAdapters)
    vars(usb).update(AIOUSBWatcher=NoWatcher, scan_serial_ports=tuple)
    setattr(MGMTBluetoothCtl, "setup", _refuse)  # noqa: B010 - typed as a method
    reach_bluez = bleak_manager.get_global_bluez_manager_with_timeout
    vars(reach_bluez).update(_has_dbus_socket=False)
