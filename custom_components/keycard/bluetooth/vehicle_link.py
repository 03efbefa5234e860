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
from ..runtime.views import NearView
from ..transport.bluetooth import BluetoothLink
from ..transport.key_pair import PrivateKey
from ..transport.routing import Nearness
from ..vehicle.poll_schedule import LOOK, Listening
from ..vehicle.vehicle import Car
from .scanner import Radio


@dataclass(kw_only=True)
class LocalLink:
    """Reach a car over Bluetooth, and look at it where nobody else does.

    `alone` tells whether no cloud tells of the car now; `changed` is called when the
    car comes or goes, `learnt` when it told something.
    """

    hass: HomeAssistant
    car: Car
    key: PrivateKey
    address: str | None
    alone: Callable[[], bool]
    changed: Callable[[], None]
    learnt: Callable[[], None]
    link: BluetoothLink = field(init=False)
    radio: Radio = field(init=False)
    _listening: Listening = field(default_factory=Listening, init=False)
    _unsub: CALLBACK_TYPE | None = field(default=None, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _stopped: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        """Prepare the link; nothing is listened to before it starts."""
        self.radio = Radio(
            hass=self.hass,
            vin=self.car.id,
            address=self.address,
            changed=self._async_noticed,
        )
        self.link = BluetoothLink(
            self.car.id,
            self.key,
            self.radio.find,
            self.car.trust,
            shun=self.radio.async_shun,
            heard=self._async_overheard,
        )

    @callback
    def async_start(self) -> None:
        """Begin to listen."""
        self._stopped = False
        self.radio.async_start()
        self._schedule()

    async def async_stop(self) -> None:
        """Let go of the car."""
        self._stopped = True
        self.radio.async_stop()
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
        await self.link.close()

    @property
    def nearness(self) -> Nearness:
        """Return whether the car can be reached."""
        return Nearness.NEAR if self.radio.near else Nearness.AWAY

    def view(self) -> NearView:
        """Return how the car is heard."""
        last = self.radio.last
        return NearView(
            near=self.radio.near,
            signal=last[0] if last else None,
            heard_at=last[1].replace(second=0, microsecond=0) if last else None,
            key_lost=self.car.trust.history.key_lost,
            provisional=self.car.trust.keys.provisional,
            infotainment_answers=self.link.car.infotainment_answers,
        )

    @callback
    def async_want(self, *, data: bool = False) -> None:
        """Look at the car soon, and at all of its `data` if it is awake."""
        self._listening.want(time.monotonic(), data=data)
        self._schedule()

    # Looking

    @callback
    def _async_noticed(self) -> None:
        self._schedule()
        self.changed()

    @callback
    def _async_overheard(self, values: Mapping[str, Any]) -> None:
        """Ask the car itself if a broadcast says something else than is known."""
        state = self.car.state
        if any(getattr(state, name, None) != value for name, value in values.items()):
            self._listening.hint(time.monotonic())
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
        self._listening.follow(near=self.radio.near, alone=self.alone(), now=now)
        delay = LOOK
        if self._task is None:
            delay = min(max(0.0, self._listening.due() - now), LOOK)
        self._unsub = async_call_later(self.hass, delay, self._async_tick)

    @callback
    def _async_tick(self, _now: datetime) -> None:
        self._unsub = None
        now = time.monotonic()
        self._listening.follow(near=self.radio.near, alone=self.alone(), now=now)
        if self._listening.due() <= now and self._task is None:
            self._task = self.hass.async_create_background_task(
                self._async_look(), f"{DOMAIN} looks at a car over Bluetooth"
            )
            self._task.add_done_callback(self._looked)
        self._schedule()
        self.changed()

    def _looked(self, _task: asyncio.Task[None]) -> None:
        self._task = None
        self._schedule()

    async def _async_look(self) -> None:
        listening, alone = self._listening, self.alone()
        before = self.car.data_at
        asked = False

        def wants_data(values: Mapping[str, Any]) -> bool:
            nonlocal asked
            self.car.apply_bluetooth(values, None, dt_util.utcnow())
            now = time.monotonic()
            asked = listening.data_due(
                self.car.state, year=self.car.year, alone=alone, now=now
            )
            if asked:
                listening.data.asked(now)
            return asked

        told = await self.link.look(wants_data)
        self.car.apply_bluetooth(told.values, told.taken, dt_util.utcnow())
        if asked:
            listening.data.brought(news=self.car.data_at != before)
        heard = bool(told.values) or told.dropped
        listening.looked(time.monotonic(), heard=heard, alone=alone)
        if told.values:
            self.learnt()
