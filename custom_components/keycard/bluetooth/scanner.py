"""Scanner for the Bluetooth advertisements of a vehicle."""

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
from ..transport.bluetooth import advertised_name_prefix
from ..transport.result import BluetoothError

# Seconds to wait for an advertisement, and between two checks.
_ADVERTISEMENT_TIMEOUT = 15.0
_POLL_INTERVAL = 1.0

# Seconds since the last advertisement; vehicles advertise every few seconds.
IN_RANGE_FOR = 120.0

# Seconds for which a device that is not the vehicle is used only as a last resort.
_EXCLUDED_FOR = 3600.0


@callback
def async_last_advertisement(
    hass: HomeAssistant, vin: str, *, connectable: bool = True
) -> BluetoothServiceInfoBleak | None:
    """Return the last advertisement of a vehicle, None without one."""
    name = advertised_name_prefix(vin)
    advertisements = bluetooth.async_discovered_service_info(
        hass, connectable=connectable
    )
    matching = [info for info in advertisements if (info.name or "").startswith(name)]
    return max(matching, key=lambda info: info.time, default=None)


async def async_wait_for_advertisement(
    hass: HomeAssistant, vin: str
) -> BluetoothServiceInfoBleak | None:
    """Wait for a new advertisement of a vehicle, None on timeout.

    An earlier one may be of a vehicle that has left since. Some vehicles advertise
    their name only during an active scan.
    """
    previous = async_last_advertisement(hass, vin)
    if previous is None:
        hass.async_create_background_task(
            bluetooth.async_request_active_scan(hass, _ADVERTISEMENT_TIMEOUT),
            f"{DOMAIN} active scan",
        )
    deadline = time.monotonic() + _ADVERTISEMENT_TIMEOUT
    while (advertisement := async_last_advertisement(hass, vin)) is previous:
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_POLL_INTERVAL)
    return advertisement


async def async_wait_for_slot(hass: HomeAssistant, address: str) -> bool:
    """Wait until an adapter in range has a free connection slot; return whether it has.

    A connection to another device may end in a moment.
    """
    deadline = time.monotonic() + _ADVERTISEMENT_TIMEOUT
    while time.monotonic() < deadline:
        if _has_slot(hass, address):
            return True
        await asyncio.sleep(_POLL_INTERVAL)
    return False


def _has_slot(hass: HomeAssistant, address: str) -> bool:
    allocations = [
        device.scanner.get_allocations()
        for device in bluetooth.async_scanner_devices_by_address(
            hass, address, connectable=True
        )
    ]
    # An adapter that does not report its slots may have one.
    return not allocations or any(
        counted is None or counted.free for counted in allocations
    )


def _is_fresh(info: BluetoothServiceInfoBleak) -> bool:
    return bool(MONOTONIC_TIME() - info.time <= IN_RANGE_FOR)


@dataclass(kw_only=True)
class VehicleScanner:
    """Scanner for one vehicle.

    The vehicle is identified by its advertised name, or by its address if an adapter
    receives no name. `on_change` is called when it comes into range, leaves, or gets
    another `address`. Any device can advertise the name, so an address stays selected
    while it is received, unless its device was excluded.
    """

    hass: HomeAssistant
    vin: str
    address: str | None
    on_change: Callable[[], None]
    _unsubs: list[CALLBACK_TYPE] = field(default_factory=list, init=False)
    _unsub_unavailable: CALLBACK_TYPE | None = field(default=None, init=False)
    _last_reception: tuple[int, datetime] | None = field(default=None, init=False)
    _excluded: dict[str, float] = field(default_factory=dict, init=False)

    @callback
    def async_start(self) -> None:
        """Start scanning."""
        matcher = BluetoothCallbackMatcher(
            local_name=f"{advertised_name_prefix(self.vin)}*", connectable=True
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
        """Stop scanning."""
        while self._unsubs:
            self._unsubs.pop()()
        if self._unsub_unavailable is not None:
            self._unsub_unavailable()
            self._unsub_unavailable = None

    @callback
    def _async_handle_advertisement(
        self, info: BluetoothServiceInfoBleak, _change: BluetoothChange
    ) -> None:
        self._async_select_address(info)
        self.on_change()

    @callback
    def _async_select_address(
        self, received: BluetoothServiceInfoBleak | None = None
    ) -> None:
        """Select another address if the current one is out of range or excluded.

        Callbacks report only changed advertisements, so earlier ones are looked up.
        """
        info = self._last_advertisement
        if info is not None and _is_fresh(info) and not self._is_excluded(info.address):
            return
        name = advertised_name_prefix(self.vin)
        matching = [
            info
            for info in bluetooth.async_discovered_service_info(
                self.hass, connectable=True
            )
            if (info.name or "").startswith(name)
        ]
        candidates = [
            info
            for info in (*matching, *([received] if received else []))
            if info.address != self.address
            and _is_fresh(info)
            and (self.address is None or not self._is_excluded(info.address))
        ]
        if candidates:
            self.address = max(candidates, key=lambda info: info.time).address
            self._async_track_unavailable()

    def _is_excluded(self, address: str) -> bool:
        excluded_at = self._excluded.get(address)
        return (
            excluded_at is not None and time.monotonic() - excluded_at < _EXCLUDED_FOR
        )

    @callback
    def async_exclude(self, address: str) -> None:
        """Exclude a device that is not the vehicle, and select another one."""
        self._excluded[address] = time.monotonic()
        self._async_select_address()
        self.on_change()

    @callback
    def _async_track_unavailable(self) -> None:
        """Track when the address becomes unavailable."""
        if self._unsub_unavailable is not None:
            self._unsub_unavailable()
            self._unsub_unavailable = None
        if self.address is not None and self._unsubs:
            self._unsub_unavailable = bluetooth.async_track_unavailable(
                self.hass,
                lambda _info: self.on_change(),
                self.address,
                connectable=True,
            )

    def find(self) -> BLEDevice | BluetoothError:
        """Return the device at the best adapter, or why none can connect."""
        if not bluetooth.async_scanner_count(self.hass, connectable=True):
            return BluetoothError.NO_ADAPTER
        self._async_select_address()
        if self.address is None or not self.in_range:
            return BluetoothError.OUT_OF_RANGE
        if not bluetooth.async_scanner_devices_by_address(
            self.hass, self.address, connectable=True
        ):
            # The adapter in range is gone.
            return BluetoothError.OUT_OF_RANGE
        if not _has_slot(self.hass, self.address):
            return BluetoothError.NO_SLOT
        device = bluetooth.async_ble_device_from_address(
            self.hass, self.address, connectable=True
        )
        return device or BluetoothError.OUT_OF_RANGE

    @property
    def in_range(self) -> bool:
        """Return whether the vehicle advertised recently.

        Home Assistant keeps the last advertisement for minutes.
        """
        self._async_select_address()
        info = self._last_advertisement
        return info is not None and _is_fresh(info)

    @property
    def last_seen(self) -> tuple[int, datetime] | None:
        """Return signal (dBm) and time (UTC) of the last advertisement."""
        if (info := self._last_advertisement) is not None:
            age = timedelta(seconds=max(0.0, MONOTONIC_TIME() - info.time))
            self._last_reception = info.rssi, dt_util.utcnow() - age
        return self._last_reception

    @property
    def _last_advertisement(self) -> BluetoothServiceInfoBleak | None:
        if self.address is None:
            return None
        return bluetooth.async_last_service_info(
            self.hass, self.address, connectable=True
        )
