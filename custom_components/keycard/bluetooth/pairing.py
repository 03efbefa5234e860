"""One attempt to have a car know the Bluetooth key of this home."""

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

# What can be in the way beside what a car says to it
LISTENS_ONLY = "listens_only"
KEY_FILE = "bluetooth_key_file"
LIBRARY = "bluetooth_library"

# A page that is closed does not end what it began: whoever begins anew, does.
_UNDER_WAY: HassKey[dict[str, asyncio.Task[str]]] = HassKey(f"{DOMAIN}.pairing")


@dataclass(kw_only=True)
class Attempt:
    """Ask a car to take the key of this home, and wait for the card of its owner.

    `link` is the one that the car has already, if any, `known` what is known of its
    computers. A car is asked by one attempt at a time: the next one ends the last.
    """

    hass: HomeAssistant
    vin: str
    link: BluetoothClient | None = None
    known: ComputerKeys = field(default_factory=ComputerKeys)
    address: str | None = field(default=None, init=False)
    """Under which the car was heard."""

    pairing: Pairing | None = field(default=None, init=False)
    """The public keys that the computers of the car have, once it is paired."""

    task: asyncio.Task[str] = field(init=False)
    """What is under way; it returns a PairingEnd, or what else is in the way."""

    question: asyncio.Task[object] = field(init=False)
    """Is done once the car has got the question, or everything is over."""

    _asked: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @callback
    def async_start(self) -> None:
        """Begin."""
        under_way = self.hass.data.setdefault(_UNDER_WAY, {})
        before = under_way.get(self.vin)
        self.task = under_way[self.vin] = self._in_background(self._async_pair(before))
        self.question = self._in_background(self._asked.wait())

    def _in_background[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.hass.async_create_background_task(
            work, f"{DOMAIN} pairs a car", eager_start=False
        )

    @property
    def waits_for_card(self) -> bool:
        """Tell whether the car has got the question."""
        return self._asked.is_set()

    @property
    def end(self) -> str | None:
        """Return how it ended, None if somebody ended it."""
        return None if self.task.cancelled() else self.task.result()

    @callback
    def async_stop(self) -> None:
        """Let go of the car."""
        self.task.cancel()
        self.question.cancel()

    async def _async_pair(self, before: asyncio.Task[str] | None) -> str:
        try:
            if before is not None:
                before.cancel()
                await asyncio.wait({before})
            return await self._async_ask()
        finally:
            self._asked.set()

    async def _async_ask(self) -> str:
        if (trouble := await async_find_trouble(self.hass)) is not None:
            return trouble
        key = await async_get_bluetooth_key(self.hass)
        heard = await async_wait_for_advertisement(self.hass, self.vin)
        if heard is None:
            by_all = async_last_advertisement(self.hass, self.vin, connectable=False)
            listened = by_all is not None and not by_all.connectable
            return LISTENS_ONLY if listened else PairingResult.OUT_OF_RANGE
        self.address = heard.address
        if not await async_wait_for_slot(self.hass, heard.address):
            return PairingResult.NO_SLOT
        radio = VehicleScanner(
            hass=self.hass, vin=self.vin, address=self.address, on_change=lambda: None
        )
        trust = ComputerTrust(self.known.only_cloud_keys())
        link = self.link or BluetoothClient(self.vin, key, radio.find, trust)
        try:
            end = await pair(link, self._asked.set, trust)
        finally:
            if link is not self.link:
                await link.close()
        if end is PairingResult.PAIRED:
            self.pairing = trust.keys.to_pairing(dt_util.utcnow().isoformat())
        return end


async def async_find_trouble(hass: HomeAssistant) -> str | None:
    """Return what is in the way here, before anything is asked of a car.

    A page hears of the end of an attempt only once it shows it: one that ends at once
    would be shown for ever.
    """
    if missing_members():
        return LIBRARY
    try:
        await async_get_bluetooth_key(hass)
    except UnusableKeyError:
        return KEY_FILE
    return async_adapter_trouble(hass)


@callback
def async_adapter_trouble(hass: HomeAssistant) -> str | None:
    """Return what is in the way if nothing here can connect to a car."""
    if bluetooth.async_scanner_count(hass, connectable=True):
        return None
    if bluetooth.async_scanner_count(hass, connectable=False):
        return LISTENS_ONLY
    return BluetoothError.NO_ADAPTER
