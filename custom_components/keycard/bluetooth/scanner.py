"""What the Bluetooth adapters of the home hear of one car."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import time

from bleak.backends.device import BLEDevice

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import (
    MONOTONIC_TIME,
    BluetoothCallbackMatcher,
    BluetoothChange,
    BluetoothScanningMode,
    BluetoothServiceInfoBleak,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..transport.bluetooth import advertised_name
from ..transport.result import BluetoothError

# Seconds: how long a car is waited for, and how often to look.
_ADVERTISEMENT_TIMEOUT = 15.0
_POLL_INTERVAL = 1.0

# Seconds. A car is heard every few; one that was heard longer ago has left.
FRESH = 120.0

# Seconds. A device that was found not to be the car is tried last for so long.
_SHUNNED = 3600.0


@callback
def async_last_advertisement(
    hass: HomeAssistant, vin: str, *, connectable: bool = True
) -> BluetoothServiceInfoBleak | None:
    """Return what an adapter that can connect heard of a car last, if it is there."""
    name = advertised_name(vin)
    heard = bluetooth.async_discovered_service_info(hass, connectable=connectable)
    found = [info for info in heard if (info.name or "").startswith(name)]
    return max(found, key=lambda info: info.time, default=None)


async def async_wait_for_advertisement(
    hass: HomeAssistant, vin: str
) -> BluetoothServiceInfoBleak | None:
    """Return what is heard of a car from now on, None if that is nothing for a while.

    What was heard before may be of a car that has left since. Until somebody asks, a
    car may advertise its address without its name.
    """
    before = async_last_advertisement(hass, vin)
    if before is None:
        hass.async_create_background_task(
            bluetooth.async_request_active_scan(hass, _ADVERTISEMENT_TIMEOUT),
            f"{DOMAIN} asks for names",
        )
    end = time.monotonic() + _ADVERTISEMENT_TIMEOUT
    while (heard := async_last_advertisement(hass, vin)) is before:
        if time.monotonic() > end:
            return None
        await asyncio.sleep(_POLL_INTERVAL)
    return heard


async def async_wait_for_slot(hass: HomeAssistant, address: str) -> bool:
    """Return whether an adapter that hears a car has a connection left for it.

    What another device has of it may be over in a moment.
    """
    end = time.monotonic() + _ADVERTISEMENT_TIMEOUT
    while time.monotonic() < end:
        if _has_slot(hass, address):
            return True
        await asyncio.sleep(_POLL_INTERVAL)
    return False


def _has_slot(hass: HomeAssistant, address: str) -> bool:
    slots = [
        found.scanner.get_allocations()
        for found in bluetooth.async_scanner_devices_by_address(
            hass, address, connectable=True
        )
    ]
    # Who does not count them may have one.
    return not slots or any(counted is None or counted.free for counted in slots)


def _is_fresh(info: BluetoothServiceInfoBleak) -> bool:
    return bool(MONOTONIC_TIME() - info.time <= FRESH)


@dataclass(kw_only=True)
class VehicleScanner:
    """Listen for a car.

    It is known by the name that it advertises, and by its address where an adapter
    hears no name. `changed` is called when it comes, goes, or gets another `address`.
    Anybody can advertise the name: an address is kept while it is heard, unless the
    device behind it was found to be another one.
    """

    hass: HomeAssistant
    vin: str
    address: str | None
    on_change: Callable[[], None]
    _unsubs: list[CALLBACK_TYPE] = field(default_factory=list, init=False)
    _unsub_gone: CALLBACK_TYPE | None = field(default=None, init=False)
    _remembered: tuple[int, datetime] | None = field(default=None, init=False)
    _shunned: dict[str, float] = field(default_factory=dict, init=False)

    @callback
    def async_start(self) -> None:
        """Begin to listen."""
        matcher = BluetoothCallbackMatcher(
            local_name=f"{advertised_name(self.vin)}*", connectable=True
        )
        self._unsubs.append(
            bluetooth.async_register_callback(
                self.hass,
                self._async_handle_advertisement,
                matcher,
                BluetoothScanningMode.ACTIVE,
            )
        )
        self._async_track_unavailable()

    @callback
    def async_stop(self) -> None:
        """Listen no more."""
        while self._unsubs:
            self._unsubs.pop()()
        if self._unsub_gone is not None:
            self._unsub_gone()
            self._unsub_gone = None

    @callback
    def _async_handle_advertisement(
        self, info: BluetoothServiceInfoBleak, _change: BluetoothChange
    ) -> None:
        self._async_choose(info)
        self.on_change()

    @callback
    def _async_choose(self, heard: BluetoothServiceInfoBleak | None = None) -> None:
        """Use another address if nothing is heard of the current one, or it is shunned.

        Home Assistant calls back only with what is news: what was passed over before
        is looked up.
        """
        info = self._last
        if info is not None and _is_fresh(info) and not self._is_shunned(info.address):
            return
        name = advertised_name(self.vin)
        found = [
            info
            for info in bluetooth.async_discovered_service_info(
                self.hass, connectable=True
            )
            if (info.name or "").startswith(name)
        ]
        others = [
            info
            for info in (*found, *([heard] if heard else []))
            if info.address != self.address
            and _is_fresh(info)
            and (self.address is None or not self._is_shunned(info.address))
        ]
        if others:
            self.address = max(others, key=lambda info: info.time).address
            self._async_track_unavailable()

    def _is_shunned(self, address: str) -> bool:
        at = self._shunned.get(address)
        return at is not None and time.monotonic() - at < _SHUNNED

    @callback
    def async_shun(self, address: str) -> None:
        """Use another address, if one is heard: the device is not the car."""
        self._shunned[address] = time.monotonic()
        self._async_choose()
        self.on_change()

    @callback
    def _async_track_unavailable(self) -> None:
        """Hear when nobody hears the car any more."""
        if self._unsub_gone is not None:
            self._unsub_gone()
            self._unsub_gone = None
        if self.address is not None and self._unsubs:
            self._unsub_gone = bluetooth.async_track_unavailable(
                self.hass,
                lambda _info: self.on_change(),
                self.address,
                connectable=True,
            )

    def find(self) -> BLEDevice | BluetoothError:
        """Return the car as the best adapter hears it, or why none can connect."""
        if not bluetooth.async_scanner_count(self.hass, connectable=True):
            return BluetoothError.NO_ADAPTER
        self._async_choose()
        if self.address is None or not self.in_range:
            return BluetoothError.OUT_OF_RANGE
        if not bluetooth.async_scanner_devices_by_address(
            self.hass, self.address, connectable=True
        ):
            # Whoever heard it is gone.
            return BluetoothError.OUT_OF_RANGE
        if not _has_slot(self.hass, self.address):
            return BluetoothError.NO_SLOT
        device = bluetooth.async_ble_device_from_address(
            self.hass, self.address, connectable=True
        )
        return device or BluetoothError.OUT_OF_RANGE

    @property
    def in_range(self) -> bool:
        """Tell whether the car was heard lately by an adapter that can connect.

        Home Assistant goes on to name for minutes what it heard last.
        """
        self._async_choose()
        info = self._last
        return info is not None and _is_fresh(info)

    @property
    def last_seen(self) -> tuple[int, datetime] | None:
        """Return the signal (dBm) and the time (UTC) of when it was heard last."""
        if (info := self._last) is not None:
            ago = timedelta(seconds=max(0.0, MONOTONIC_TIME() - info.time))
            self._remembered = info.rssi, dt_util.utcnow() - ago
        return self._remembered

    @property
    def _last(self) -> BluetoothServiceInfoBleak | None:
        if self.address is None:
            return None
        return bluetooth.async_last_service_info(
            self.hass, self.address, connectable=True
        )
