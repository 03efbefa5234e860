"""Connection to one vehicle over Home Assistant's Bluetooth."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
import time
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..helpers.timer import Timer
from ..transport.bluetooth import BluetoothClient
from ..transport.key_pair import PrivateKey
from ..transport.routing import BluetoothReach
from ..vehicle.poll_schedule import BLUETOOTH_INTERVAL, BluetoothPollSchedule
from ..vehicle.vehicle import Vehicle
from .scanner import VehicleScanner


@dataclass(frozen=True, kw_only=True)
class BluetoothStatus:
    """Reception of a vehicle over Bluetooth.

    `signal` is in dBm, `last_seen` is UTC; both are None before an advertisement.
    `key_removed` is whether the key was probably removed from the vehicle. Data over
    Bluetooth are `provisional` while a public key was only first seen there.
    """

    in_range: bool
    signal: int | None = None
    last_seen: datetime | None = None
    key_removed: bool = False
    provisional: bool = False
    infotainment_responds: bool | None = None
    """Whether infotainment responds, None before the first request."""

    @property
    def usable(self) -> bool:
        """Return whether commands can be sent over Bluetooth."""
        return self.in_range and not self.key_removed


@dataclass(kw_only=True)
class BluetoothVehicle:
    """Vehicle over Bluetooth, polled regularly while the cloud is unavailable.

    `on_range_change` is called when it comes into range or leaves, `on_data` after a
    poll with values.
    """

    hass: HomeAssistant
    vehicle: Vehicle
    key: PrivateKey
    address: str | None
    cloud_unavailable: Callable[[], bool]
    on_range_change: Callable[[], None]
    on_data: Callable[[], None]
    client: BluetoothClient = field(init=False)
    scanner: VehicleScanner = field(init=False)
    _poll_schedule: BluetoothPollSchedule = field(
        default_factory=BluetoothPollSchedule, init=False
    )
    _timer: Timer = field(init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _stopped: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        """Create timer, scanner and client."""
        self._timer = Timer(self.hass, self._async_poll_due)
        self.scanner = VehicleScanner(
            hass=self.hass,
            vin=self.vehicle.id,
            address=self.address,
            on_change=self._async_handle_range_change,
        )
        self.client = BluetoothClient(
            self.vehicle.id,
            self.key,
            self.scanner.find,
            self.vehicle.trust,
            exclude_device=self.scanner.async_exclude,
            on_broadcast=self._async_handle_broadcast,
        )

    @callback
    def async_start(self) -> None:
        """Start scanning and polling."""
        self._stopped = False
        self.scanner.async_start()
        self._schedule()

    async def async_stop(self) -> None:
        """Stop polling and disconnect."""
        self._stopped = True
        self.scanner.async_stop()
        self._timer.async_cancel()
        if self._task is not None:
            self._task.cancel()
        await self.client.close()

    @property
    def reach(self) -> BluetoothReach:
        """Return whether the vehicle is in range."""
        return (
            BluetoothReach.IN_RANGE
            if self.scanner.in_range
            else BluetoothReach.OUT_OF_RANGE
        )

    def status(self) -> BluetoothStatus:
        """Return the reception of the vehicle."""
        last = self.scanner.last_seen
        return BluetoothStatus(
            in_range=self.scanner.in_range,
            signal=last[0] if last else None,
            last_seen=last[1].replace(second=0, microsecond=0) if last else None,
            key_removed=self.vehicle.trust.history.is_key_removed,
            provisional=self.vehicle.trust.keys.is_provisional,
            infotainment_responds=self.client.vehicle.infotainment_responds,
        )

    @callback
    def async_request_update(self, *, data: bool = False) -> None:
        """Request a poll soon, with `data` if the vehicle is awake."""
        self._poll_schedule.request(time.monotonic(), data=data)
        self._schedule()

    # Polling

    @callback
    def _async_handle_range_change(self) -> None:
        self._schedule()
        self.on_range_change()

    @callback
    def _async_handle_broadcast(self, values: Mapping[str, Any]) -> None:
        """Plan a poll if a broadcast differs from the known state."""
        state = self.vehicle.state
        if any(getattr(state, name, None) != value for name, value in values.items()):
            self._poll_schedule.record_broadcast(time.monotonic())
            self._schedule()

    @callback
    def _schedule(self) -> None:
        if self._stopped:
            return
        monotonic = time.monotonic()
        self._poll_schedule.update_reachability(
            in_range=self.scanner.in_range,
            cloud_unavailable=self.cloud_unavailable(),
            monotonic=monotonic,
        )
        delay = BLUETOOTH_INTERVAL
        if self._task is None:
            delay = min(self._poll_schedule.next_poll_at() - monotonic, delay)
        self._timer.async_schedule(delay)

    @callback
    def _async_poll_due(self) -> None:
        monotonic = time.monotonic()
        self._poll_schedule.update_reachability(
            in_range=self.scanner.in_range,
            cloud_unavailable=self.cloud_unavailable(),
            monotonic=monotonic,
        )
        if self._poll_schedule.next_poll_at() <= monotonic and self._task is None:
            self._task = self.hass.async_create_background_task(
                self._async_poll(), f"{DOMAIN} Bluetooth poll"
            )
            self._task.add_done_callback(self._async_poll_done)
        self._schedule()
        self.on_range_change()

    def _async_poll_done(self, _task: asyncio.Task[None]) -> None:
        self._task = None
        self._schedule()

    async def _async_poll(self) -> None:
        schedule, cloud_unavailable = self._poll_schedule, self.cloud_unavailable()
        previous_data_at = self.vehicle.data_at
        reads_data = False

        def should_read_data(values: Mapping[str, Any]) -> bool:
            nonlocal reads_data
            self.vehicle.apply_bluetooth(values, None, dt_util.utcnow())
            monotonic = time.monotonic()
            reads_data = schedule.is_data_due(
                self.vehicle.state,
                year=self.vehicle.year,
                cloud_unavailable=cloud_unavailable,
                monotonic=monotonic,
            )
            if reads_data:
                schedule.data.record_poll(monotonic)
            return reads_data

        result = await self.client.poll(should_read_data)
        self.vehicle.apply_bluetooth(result.values, result.data_at, dt_util.utcnow())
        if reads_data:
            schedule.data.record_result(is_new=self.vehicle.data_at != previous_data_at)
        answered = bool(result.values) or result.dropped
        schedule.record_poll(
            time.monotonic(), answered=answered, cloud_unavailable=cloud_unavailable
        )
        if result.values:
            self.on_data()
