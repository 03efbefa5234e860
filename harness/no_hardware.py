"""Hide the hardware of this machine from Home Assistant.

It would discover Bluetooth adapters and USB devices, offer to set them up, and log
errors where access is denied.
"""

from collections.abc import Callable
from typing import override

from bleak_retry_connector import bleak_manager
from bluetooth_adapters import AdapterDetails, BluetoothAdapters
from habluetooth.channels.bluez import MGMTBluetoothCtl

from homeassistant.components import bluetooth, usb


class NoAdapters(BluetoothAdapters):
    """A machine without Bluetooth adapters."""

    @property
    @override
    def adapters(self) -> dict[str, AdapterDetails]:
        """Return no adapters."""
        return {}

    @property
    @override
    def default_adapter(self) -> str:
        """Return the default name of the first adapter."""
        return "hci0"


class NoUsbWatcher:
    """USB watcher without events; without a watcher Home Assistant polls."""

    def async_register_callback(self, _changed: Callable[[], None]) -> None:
        """Ignore the callback."""

    def async_start(self) -> Callable[[], None]:
        """Start nothing; return a function that stops nothing."""
        return lambda: None


async def _raise_no_bluetooth(_self: MGMTBluetoothCtl) -> None:
    raise OSError("there is no Bluetooth on this machine")


def install() -> None:
    """Make Home Assistant find no adapters and USB devices."""
    vars(bluetooth).update(get_adapters=NoAdapters)
    vars(usb).update(AIOUSBWatcher=NoUsbWatcher, scan_serial_ports=tuple)
    setattr(MGMTBluetoothCtl, "setup", _raise_no_bluetooth)  # noqa: B010 - typed as a method
    reach_bluez = bleak_manager.get_global_bluez_manager_with_timeout
    vars(reach_bluez).update(_has_dbus_socket=False)
