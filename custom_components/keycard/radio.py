"""What the Bluetooth adapters of the home hear of one car."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import time

from bleak.backends.device import BLEDevice

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import (
    BluetoothCallbackMatcher,
    BluetoothChange,
    BluetoothScanningMode,
    BluetoothServiceInfoBleak,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .vehicle.bluetooth import advertised_name
from .vehicle.outcome import Trouble

# Seconds in which a car that is there advertises its name.
_LISTEN = 15


@callback
def async_hear(
    hass: HomeAssistant, vin: str, *, connectable: bool = True
) -> BluetoothServiceInfoBleak | None:
    """Return what an adapter that can connect heard of a car last, if it is there."""
    name = advertised_name(vin)
    heard = bluetooth.async_discovered_service_info(hass, connectable=connectable)
    found = [info for info in heard if (info.name or "").startswith(name)]
    return max(found, key=lambda info: info.time, default=None)


async def async_wait_to_hear(
    hass: HomeAssistant, vin: str
) -> BluetoothServiceInfoBleak | None:
    """Return what is heard of a car, after a while in which the adapters ask for names.

    Until somebody asks, a car may advertise its address alone.
    """
    if (heard := async_hear(hass, vin)) is not None:
        return heard
    try:
        return await bluetooth.async_process_advertisements(
            hass,
            lambda _info: True,
            _matcher(vin),
            BluetoothScanningMode.ACTIVE,
            _LISTEN,
        )
    except TimeoutError:
        return None


def _matcher(vin: str) -> BluetoothCallbackMatcher:
    return BluetoothCallbackMatcher(
        local_name=f"{advertised_name(vin)}*", connectable=True
    )


@dataclass(kw_only=True)
class Radio:
    """Listen for a car.

    It is known by the name that it advertises, and by its address where an adapter
    hears no name. `changed` is called when it comes, goes, or gets another `address`.
    """

    hass: HomeAssistant
    vin: str
    address: str | None
    changed: Callable[[], None]
    _unsubs: list[CALLBACK_TYPE] = field(default_factory=list, init=False)
    _unsub_gone: CALLBACK_TYPE | None = field(default=None, init=False)

    @callback
    def async_start(self) -> None:
        """Begin to listen."""
        self._unsubs.append(
            bluetooth.async_register_callback(
                self.hass,
                self._async_heard,
                _matcher(self.vin),
                BluetoothScanningMode.ACTIVE,
            )
        )
        self._async_follow()

    @callback
    def async_stop(self) -> None:
        """Listen no more."""
        while self._unsubs:
            self._unsubs.pop()()
        if self._unsub_gone is not None:
            self._unsub_gone()
            self._unsub_gone = None

    @callback
    def _async_heard(
        self, info: BluetoothServiceInfoBleak, _change: BluetoothChange
    ) -> None:
        if info.address != self.address:
            self.address = info.address
            self._async_follow()
        self.changed()

    @callback
    def _async_follow(self) -> None:
        """Hear when nobody hears the car any more."""
        if self._unsub_gone is not None:
            self._unsub_gone()
            self._unsub_gone = None
        if self.address is not None:
            self._unsub_gone = bluetooth.async_track_unavailable(
                self.hass, lambda _info: self.changed(), self.address, connectable=True
            )

    def find(self) -> BLEDevice | Trouble:
        """Return the car as the best adapter hears it, or why there is none."""
        if self.address is not None:
            device = bluetooth.async_ble_device_from_address(
                self.hass, self.address, connectable=True
            )
            if device is not None:
                return device
        if not bluetooth.async_scanner_count(self.hass, connectable=True):
            return Trouble.NO_ADAPTER
        return Trouble.OUT_OF_RANGE

    @property
    def near(self) -> bool:
        """Tell whether an adapter that can connect hears the car."""
        return isinstance(self.find(), BLEDevice)

    @property
    def last(self) -> tuple[int, datetime] | None:
        """Return the signal (dBm) and the time (UTC) of when it was heard last."""
        if self.address is None:
            return None
        info = bluetooth.async_last_service_info(
            self.hass, self.address, connectable=True
        )
        if info is None:
            return None
        ago = timedelta(seconds=max(0.0, time.monotonic() - info.time))
        return info.rssi, dt_util.utcnow() - ago
