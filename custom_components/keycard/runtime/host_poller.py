"""The watch over the hosts, driven by Home Assistant's clock."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from random import Random
import socket
import time

import aiohttp

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..outage.endpoints import Endpoint, Endpoints, list_endpoints
from ..outage.evidence import Evidence
from ..outage.host_monitor import HostMonitor
from ..outage.prober import Prober
from .isolation import isolated
from .storage import DATA_STORE

# An owner may ask for a check once in so many seconds.
CHECK_INTERVAL = 60.0

# A suspicion is settled within this, if it can be.
CHECK_TIMEOUT = 60.0


class HostPoller:
    """Ask the hosts when the watch wants it; shared by the entries with these hosts."""

    def __init__(self, hass: HomeAssistant, hosts: Endpoints) -> None:
        """Prepare to watch; nothing is asked before somebody follows."""
        self.targets = list_endpoints(hosts)
        self.watch = HostMonitor(hosts, random=Random(), now=time.monotonic())
        self.latencies: dict[str, float] = {}
        self.answers: dict[Endpoint, Evidence] = {}
        """What each host answered last."""

        self._hass = hass
        self._prober = Prober(self._session)
        self._followers: dict[str, Callable[[], None]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsub_timer: CALLBACK_TYPE | None = None
        self._checked_at = float("-inf")
        hass.data[DATA_STORE].restore(self.watch)

    def _session(self, family: socket.AddressFamily) -> aiohttp.ClientSession:
        return async_get_clientsession(self._hass, family=family)

    @callback
    def async_subscribe(
        self, follower: str, region: str, update: Callable[[], None]
    ) -> CALLBACK_TYPE:
        """Watch for an entry of a region, and call back after every answer."""
        # The last follower may have left while this one was being set up.
        self._hass.data[HOST_POLLERS].setdefault(self.targets, self)
        self._followers[follower] = update
        self.watch.home_regions[region] += 1
        self.async_schedule()

        @callback
        def unfollow() -> None:
            self._followers.pop(follower)
            self.watch.home_regions[region] -= 1
            if not self._followers:
                self._stop()

        return unfollow

    def _stop(self) -> None:
        """End what is under way: nobody asks any more."""
        self._cancel_timer()
        for task in self._tasks:
            task.cancel()
        watchers = self._hass.data[HOST_POLLERS]
        if watchers.get(self.targets) is self:
            del watchers[self.targets]

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back after every answer, without a region to watch for."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def check_cooldown(self) -> float:
        """Return in how many seconds a check may be asked for, 0 if it may now."""
        return max(0.0, self._checked_at + CHECK_INTERVAL - time.monotonic())

    async def async_check(self) -> None:
        """Ask every host at once, and wait until what comes of it is beyond doubt."""
        began = self._checked_at = time.monotonic()
        heard = asyncio.Event()

        @callback
        def look() -> None:
            if self.watch.is_settled_since(began, time.monotonic()):
                heard.set()

        self.watch.probe_now(began)
        self.async_schedule()
        unsub = self.async_add_listener(look)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await heard.wait()
        except TimeoutError:
            # Nobody can tell more now; the judgement says so.
            pass
        finally:
            unsub()

    @callback
    def async_schedule(self) -> None:
        """Set the timer for what the watch wants next."""
        self._cancel_timer()
        if self._followers:
            delay = max(0.0, self.watch.next_due() - time.monotonic())
            self._unsub_timer = async_call_later(self._hass, delay, self._async_tick)

    def _cancel_timer(self) -> None:
        if self._unsub_timer is not None:
            self._unsub_timer()
            self._unsub_timer = None

    @callback
    def _async_tick(self, _now: datetime) -> None:
        """Ask what is due."""
        self._unsub_timer = None
        for target in self.watch.due(time.monotonic()):
            task = self._hass.async_create_background_task(
                self._async_probe(target), f"{DOMAIN} asks {target.kind}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.async_schedule()

    async def _async_probe(self, target: Endpoint) -> None:
        evidence = await self._prober.probe(target)
        self.watch.observe_probe(target, evidence)
        self.answers[target] = evidence
        if target.region is not None and evidence.good:
            self.latencies[target.region] = evidence.at - evidence.sent_at
        self._hass.data[DATA_STORE].update_hosts(self.watch)
        for update in (*self._followers.values(), *self._listeners):
            with isolated("an entry that follows the hosts"):
                update()
        self.async_schedule()


HOST_POLLERS: HassKey[dict[tuple[Endpoint, ...], HostPoller]] = HassKey(
    f"{DOMAIN}.watchers"
)


@callback
def async_get_host_poller(hass: HomeAssistant, hosts: Endpoints) -> HostPoller:
    """Return the watcher of these hosts."""
    watchers = hass.data.setdefault(HOST_POLLERS, {})
    wanted = list_endpoints(hosts)
    if wanted not in watchers:
        watchers[wanted] = HostPoller(hass, hosts)
    return watchers[wanted]
