"""One car as this home reaches it over Bluetooth."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
import time
from typing import Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..transport.bluetooth import BluetoothClient
from ..transport.key_pair import PrivateKey
from ..transport.routing import BluetoothReach
from ..vehicle.poll_schedule import BLUETOOTH_INTERVAL, BluetoothPollSchedule
from ..vehicle.vehicle import Vehicle
from .scanner import VehicleScanner


@dataclass(frozen=True, kw_only=True)
class BluetoothStatus:
    """Reception of a vehicle over Bluetooth.

    `signal` is in dBm, `last_seen` is UTC; both are None until an advertisement came.
    `key_lost` says that the vehicle seems to have lost the key. Data over Bluetooth are
    `provisional` while they rest on a public key that was first seen there.
    """

    in_range: bool
    signal: int | None = None
    last_seen: datetime | None = None
    key_lost: bool = False
    provisional: bool = False
    infotainment_answers: bool | None = None
    """Whether infotainment answers as well, None until it was asked."""

    @property
    def usable(self) -> bool:
        """Return whether commands can be sent over Bluetooth."""
        return self.in_range and not self.key_lost


@dataclass(kw_only=True)
class BluetoothVehicle:
    """Reach a car over Bluetooth, and look at it where nobody else does.

    `alone` tells whether no cloud tells of the car now; `changed` is called when the
    car comes or goes, `learnt` when it told something.
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
    _schedule_state: BluetoothPollSchedule = field(
        default_factory=BluetoothPollSchedule, init=False
    )
    _unsub: CALLBACK_TYPE | None = field(default=None, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _stopped: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        """Prepare the link; nothing is listened to before it starts."""
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
            exclude_device=self.scanner.async_shun,
            on_broadcast=self._async_handle_broadcast,
        )

    @callback
    def async_start(self) -> None:
        """Begin to listen."""
        self._stopped = False
        self.scanner.async_start()
        self._schedule()

    async def async_stop(self) -> None:
        """Let go of the car."""
        self._stopped = True
        self.scanner.async_stop()
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
        await self.client.close()

    @property
    def reach(self) -> BluetoothReach:
        """Return whether the car can be reached."""
        return (
            BluetoothReach.IN_RANGE
            if self.scanner.in_range
            else BluetoothReach.OUT_OF_RANGE
        )

    def status(self) -> BluetoothStatus:
        """Return how the car is heard."""
        last = self.scanner.last_seen
        return BluetoothStatus(
            in_range=self.scanner.in_range,
            signal=last[0] if last else None,
            last_seen=last[1].replace(second=0, microsecond=0) if last else None,
            key_lost=self.vehicle.trust.history.is_key_removed,
            provisional=self.vehicle.trust.keys.is_provisional,
            infotainment_answers=self.client.vehicle.infotainment_responds,
        )

    @callback
    def async_request_update(self, *, data: bool = False) -> None:
        """Look at the car soon, and at all of its `data` if it is awake."""
        self._schedule_state.request(time.monotonic(), data=data)
        self._schedule()

    # Looking

    @callback
    def _async_handle_range_change(self) -> None:
        self._schedule()
        self.on_range_change()

    @callback
    def _async_handle_broadcast(self, values: Mapping[str, Any]) -> None:
        """Ask the car itself if a broadcast says something else than is known."""
        state = self.vehicle.state
        if any(getattr(state, name, None) != value for name, value in values.items()):
            self._schedule_state.record_broadcast(time.monotonic())
            self._schedule()

    def _cancel_timer(self) -> None:
        if self._unsub is not None:
            self._unsub()
            self._unsub = None

    @callback
    def _schedule(self) -> None:
        self._cancel_timer()
        if self._stopped:
            return
        now = time.monotonic()
        self._schedule_state.update_reachability(
            in_range=self.scanner.in_range,
            cloud_unavailable=self.cloud_unavailable(),
            monotonic=now,
        )
        delay = BLUETOOTH_INTERVAL
        if self._task is None:
            delay = min(
                max(0.0, self._schedule_state.next_poll_at() - now), BLUETOOTH_INTERVAL
            )
        self._unsub = async_call_later(self.hass, delay, self._async_tick)

    @callback
    def _async_tick(self, _now: datetime) -> None:
        self._unsub = None
        now = time.monotonic()
        self._schedule_state.update_reachability(
            in_range=self.scanner.in_range,
            cloud_unavailable=self.cloud_unavailable(),
            monotonic=now,
        )
        if self._schedule_state.next_poll_at() <= now and self._task is None:
            self._task = self.hass.async_create_background_task(
                self._async_poll(), f"{DOMAIN} looks at a car over Bluetooth"
            )
            self._task.add_done_callback(self._async_poll_done)
        self._schedule()
        self.on_range_change()

    def _async_poll_done(self, _task: asyncio.Task[None]) -> None:
        self._task = None
        self._schedule()

    async def _async_poll(self) -> None:
        listening, alone = self._schedule_state, self.cloud_unavailable()
        before = self.vehicle.data_at
        asked = False

        def wants_data(values: Mapping[str, Any]) -> bool:
            nonlocal asked
            self.vehicle.apply_bluetooth(values, None, dt_util.utcnow())
            now = time.monotonic()
            asked = listening.is_data_due(
                self.vehicle.state,
                year=self.vehicle.year,
                cloud_unavailable=alone,
                monotonic=now,
            )
            if asked:
                listening.data.record_poll(now)
            return asked

        told = await self.client.poll(wants_data)
        self.vehicle.apply_bluetooth(told.values, told.data_at, dt_util.utcnow())
        if asked:
            listening.data.record_result(is_new=self.vehicle.data_at != before)
        heard = bool(told.values) or told.dropped
        listening.record_poll(time.monotonic(), answered=heard, cloud_unavailable=alone)
        if told.values:
            self.on_data()
