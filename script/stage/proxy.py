"""A Bluetooth proxy near the cars, as Home Assistant sees one.

Only the radio behind it is simulated: Home Assistant, habluetooth and bleak are real.
A proxy says no more than real ones do: that a car has left is not told, but nothing is
heard of it any more, and Home Assistant forgets it when its own rules say so.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast, override

from bleak.backends.client import BaseBleakClient
from bleak.exc import BleakError
from bleak_retry_connector.bluez import Allocations
from bluetooth_data_tools import monotonic_time_coarse
from habluetooth import (
    BaseHaRemoteScanner,
    BluetoothScanningMode,
    HaBluetoothConnector,
    get_manager,
)

from homeassistant.components.bluetooth import async_register_scanner
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback

from simulator.radio import Advert, Air, Line, NotHeardError

from .gatt import ProxyClient

PERIOD = 2.0  # seconds between two advertisements of one car
PATIENCE = 20.0  # seconds that a proxy tries to reach a car that does not answer
_RANDOM_ADDRESS = 1

type Hears = Callable[[Advert], int | None]


class Proxy:
    """A proxy: it hears the air, and connects to as many cars as it has slots."""

    def __init__(
        self, air: Air, *, source: str, slots: int, hears: Hears, period: float
    ) -> None:
        self.source = source
        self.patience = PATIENCE
        self._period = period
        self._air = air
        self._slots = slots
        self._hears = hears
        self._clients: set[ProxyClient] = set()
        connector = HaBluetoothConnector(
            # A class with its first argument filled in does for a class.
            client=cast("type[BaseBleakClient]", partial(ProxyClient, self)),
            source=source,
            can_connect=lambda: self.free > 0,
        )
        self.scanner = ProxyScanner(self, connector)
        self._cancel: list[CALLBACK_TYPE] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def slots(self) -> int:
        """Return how many connections the proxy can have at a time."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = slots
        self._told()

    @property
    def free(self) -> int:
        """Return how many more connections it can have."""
        return max(0, self._slots - len(self._clients))

    @property
    def allocations(self) -> Allocations:
        """Return what has the slots."""
        return Allocations(
            self.source,
            self._slots,
            self.free,
            [client.address for client in self._clients],
        )

    @callback
    def start(self, hass: HomeAssistant) -> None:
        """Begin to hear the air, for a running Home Assistant."""

        @callback
        def stopped(_event: Event) -> None:
            cancel_stop.clear()
            self.remove()

        # Home Assistant minds if what has been called once is cancelled.
        cancel_stop = [hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stopped)]

        def forget_stop() -> None:
            for cancel in cancel_stop:
                cancel()

        self._cancel = [
            forget_stop,
            async_register_scanner(hass, self.scanner),
            self.scanner.async_setup(),
            self._air.listen(self._hear),
        ]
        self._told()
        self._hear()

    @callback
    def remove(self) -> None:
        """Pull the plug: its lines are gone, and Home Assistant sees it no more."""
        self._stop_hearing()
        for client in tuple(self._clients):
            client.drop()
        while self._cancel:
            self._cancel.pop()()

    async def connect(self, client: ProxyClient, patience: float) -> Line:
        """Connect to a car, in a slot of this proxy."""
        if not self.free:
            raise BleakError(f"{self.source} has no connection slot left")
        self._clients.add(client)
        self._told()
        try:
            return await self._reach(client.address)
        except BaseException as err:
            self.release(client)
            if isinstance(err, NotHeardError):
                # Nobody answers, so nobody says no: only time tells.
                await asyncio.sleep(min(patience, self.patience))
                raise TimeoutError("the connection timed out") from err
            if isinstance(err, ConnectionError):
                raise BleakError(
                    f"{client.address}: ESP_GATT_CONN_FAIL_ESTABLISH"
                ) from err
            raise

    async def _reach(self, address: str) -> Line:
        if not any(advert.address == address for advert, _ in self._heard()):
            raise NotHeardError(f"nothing is heard of {address}")
        return await self._air.connect(address)

    @callback
    def release(self, client: ProxyClient) -> None:
        """Have a slot back."""
        if client in self._clients:
            self._clients.remove(client)
            self._told()

    def _heard(self) -> list[tuple[Advert, int]]:
        return [
            (advert, rssi)
            for advert in self._air.adverts()
            if (rssi := self._hears(advert)) is not None
        ]

    @callback
    def _hear(self) -> None:
        """Hear who is there, and again in a while if anybody is."""
        self._stop_hearing()
        if heard := self._heard():
            for advert, rssi in heard:
                self.scanner.hear(advert, rssi)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._period, self._hear)

    def _stop_hearing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _told(self) -> None:
        if self._cancel:
            get_manager().async_on_allocation_changed(self.allocations)


class ProxyScanner(BaseHaRemoteScanner):
    """What Home Assistant has of a proxy that hears."""

    def __init__(self, proxy: Proxy, connector: HaBluetoothConnector) -> None:
        super().__init__(
            proxy.source,
            proxy.source,
            connector,
            connectable=True,
            requested_mode=BluetoothScanningMode.ACTIVE,
            current_mode=BluetoothScanningMode.ACTIVE,
        )
        self._proxy = proxy

    @override
    def get_allocations(self) -> Allocations:
        """Return what has the slots."""
        return self._proxy.allocations

    def hear(self, advert: Advert, rssi: int) -> None:
        """Pass on what a car advertises."""
        self._async_on_advertisement(
            advert.address,
            rssi,
            advert.name,
            [],
            {},
            {},
            None,
            {"address_type": _RANDOM_ADDRESS},
            monotonic_time_coarse(),
        )


@callback
def async_place_proxy(
    hass: HomeAssistant,
    air: Air,
    *,
    source: str = "AA:BB:CC:00:00:01",
    slots: int = 3,
    hears: Hears = lambda advert: advert.rssi,
    period: float = PERIOD,
) -> Proxy:
    """Place a proxy; `hears` tells how strong an advertisement arrives, if at all."""
    proxy = Proxy(air, source=source, slots=slots, hears=hears, period=period)
    proxy.start(hass)
    return proxy
