"""Attempt to pair a vehicle with the Bluetooth key."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from homeassistant.components import bluetooth
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..auth.keys import async_get_bluetooth_key
from ..const import DOMAIN
from ..transport.bluetooth import BluetoothClient
from ..transport.bluetooth_pairing import PairingResult, pair
from ..transport.key_pair import UnusableKeyError
from ..transport.library import missing_members
from ..transport.result import BluetoothError
from ..vehicle.computer_keys import ComputerKeys, ComputerTrust, Pairing
from .scanner import (
    VehicleScanner,
    async_last_advertisement,
    async_wait_for_advertisement,
    async_wait_for_slot,
)

# Reasons for not starting, in addition to PairingResult
LISTENS_ONLY = "listens_only"
KEY_FILE = "bluetooth_key_file"
LIBRARY = "bluetooth_library"

# Closing the page does not end an attempt; starting a new one does.
_RUNNING: HassKey[dict[str, asyncio.Task[str]]] = HassKey(f"{DOMAIN}.pairing")


@dataclass(kw_only=True)
class PairingAttempt:
    """Attempt to add the Bluetooth key to a vehicle, confirmed with its keycard.

    `client` is the existing client of the vehicle, if any; `known_keys` are the known
    keys of its computers. A new attempt for the vehicle cancels the previous one.
    """

    hass: HomeAssistant
    vin: str
    client: BluetoothClient | None = None
    known_keys: ComputerKeys = field(default_factory=ComputerKeys)
    address: str | None = field(default=None, init=False)
    """Bluetooth address of the vehicle."""

    pairing: Pairing | None = field(default=None, init=False)
    """Public keys of the vehicle's computers, once it is paired."""

    task: asyncio.Task[str] = field(init=False)
    """Running attempt; returns a PairingResult or the reason for not starting."""

    request_task: asyncio.Task[object] = field(init=False)
    """Ends when the vehicle has received the request, or the attempt ends."""

    _requested: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @callback
    def async_start(self) -> None:
        """Start the attempt."""
        running = self.hass.data.setdefault(_RUNNING, {})
        previous = running.get(self.vin)
        self.task = running[self.vin] = self._create_background_task(
            self._async_pair(previous)
        )
        self.request_task = self._create_background_task(self._requested.wait())

    def _create_background_task[T](
        self, work: Coroutine[Any, Any, T]
    ) -> asyncio.Task[T]:
        return self.hass.async_create_background_task(
            work, f"{DOMAIN} pairing", eager_start=False
        )

    @property
    def is_waiting_for_card(self) -> bool:
        """Return whether the vehicle has received the request."""
        return self._requested.is_set()

    @property
    def result(self) -> str | None:
        """Return the result of the ended attempt, None if it was canceled."""
        return None if self.task.cancelled() else self.task.result()

    @callback
    def async_stop(self) -> None:
        """Cancel the attempt."""
        self.task.cancel()
        self.request_task.cancel()

    async def _async_pair(self, previous: asyncio.Task[str] | None) -> str:
        try:
            if previous is not None:
                previous.cancel()
                await asyncio.wait({previous})
            return await self._async_run()
        finally:
            self._requested.set()

    async def _async_run(self) -> str:
        if (error := await async_check_requirements(self.hass)) is not None:
            return error
        key = await async_get_bluetooth_key(self.hass)
        advertisement = await async_wait_for_advertisement(self.hass, self.vin)
        if advertisement is None:
            passive = async_last_advertisement(self.hass, self.vin, connectable=False)
            passive_only = passive is not None and not passive.connectable
            return LISTENS_ONLY if passive_only else PairingResult.OUT_OF_RANGE
        self.address = advertisement.address
        if not await async_wait_for_slot(self.hass, advertisement.address):
            return PairingResult.NO_SLOT
        scanner = VehicleScanner(
            hass=self.hass, vin=self.vin, address=self.address, on_change=lambda: None
        )
        trust = ComputerTrust(self.known_keys.only_cloud_keys())
        client = self.client or BluetoothClient(self.vin, key, scanner.find, trust)
        try:
            result = await pair(client, self._requested.set, trust)
        finally:
            if client is not self.client:
                await client.close()
        if result is PairingResult.PAIRED:
            self.pairing = trust.keys.to_pairing(dt_util.utcnow().isoformat())
        return result


async def async_check_requirements(hass: HomeAssistant) -> str | None:
    """Return why an attempt cannot start, None if it can.

    Checked beforehand, because a progress page never notices an attempt that ends
    before the page is shown.
    """
    if missing_members():
        return LIBRARY
    try:
        await async_get_bluetooth_key(hass)
    except UnusableKeyError:
        return KEY_FILE
    return async_check_adapters(hass)


@callback
def async_check_adapters(hass: HomeAssistant) -> str | None:
    """Return why no adapter can connect, None if one can."""
    if bluetooth.async_scanner_count(hass, connectable=True):
        return None
    if bluetooth.async_scanner_count(hass, connectable=False):
        return LISTENS_ONLY
    return BluetoothError.NO_ADAPTER
