"""Probe hosts at the times of the host monitor."""

import asyncio
from collections.abc import Callable
from random import Random
import socket
import time

import aiohttp

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..helpers.isolation import isolated
from ..helpers.timer import Timer
from ..outage.confirmation import Health
from ..outage.endpoints import Endpoint, Endpoints, list_endpoints
from ..outage.evidence import Evidence
from ..outage.host_monitor import HostMonitor
from ..outage.prober import Prober
from .storage import DATA_STORE

# Seconds between two checks on request.
CHECK_INTERVAL = 60.0

# Seconds in which a suspicion is settled, if it can be.
CHECK_TIMEOUT = 60.0


class HostPoller:
    """Probe hosts for all entries that use them."""

    def __init__(self, hass: HomeAssistant, hosts: Endpoints) -> None:
        """Initialize without a probe; the first subscriber starts them."""
        self.endpoints = list_endpoints(hosts)
        self.host_monitor = HostMonitor(
            hosts, random=Random(), monotonic=time.monotonic()
        )
        self.latencies: dict[str, float] = {}
        self.answers: dict[Endpoint, Evidence] = {}
        """The last answer of each host."""

        self._hass = hass
        self._prober = Prober(self._session)
        self._subscribers: dict[str, Callable[[], None]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer = Timer(hass, self._async_probe_due)
        self._checked_at = float("-inf")
        hass.data[DATA_STORE].restore_hosts(self.host_monitor)

    def _session(self, family: socket.AddressFamily) -> aiohttp.ClientSession:
        return async_get_clientsession(self._hass, family=family)

    @callback
    def async_subscribe(
        self, entry_id: str, region: str, update: Callable[[], None]
    ) -> CALLBACK_TYPE:
        """Probe for an entry of a region, and call it after every answer."""
        # The last subscriber may have left while this one was being set up.
        self._hass.data[HOST_POLLERS].setdefault(self.endpoints, self)
        self._subscribers[entry_id] = update
        self.host_monitor.home_regions[region] += 1
        self.async_schedule()

        @callback
        def unsubscribe() -> None:
            self._subscribers.pop(entry_id)
            self.host_monitor.home_regions[region] -= 1
            if not self._subscribers:
                self._stop()

        return unsubscribe

    def _stop(self) -> None:
        """Cancel all probes."""
        self._timer.async_cancel()
        for task in self._tasks:
            task.cancel()
        pollers = self._hass.data[HOST_POLLERS]
        if pollers.get(self.endpoints) is self:
            del pollers[self.endpoints]

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call a listener after every answer."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def health(self, region: str) -> Health:
        """Return the health of a region's host."""
        return self.host_monitor.health(region, time.monotonic())

    @property
    def check_cooldown(self) -> float:
        """Return in how many seconds a check is possible, 0 for now."""
        return max(0.0, self._checked_at + CHECK_INTERVAL - time.monotonic())

    async def async_check(self) -> None:
        """Probe all hosts, and wait until no suspicion is left."""
        started_at = self._checked_at = time.monotonic()
        settled = asyncio.Event()

        @callback
        def check() -> None:
            if self.host_monitor.is_settled_since(started_at, time.monotonic()):
                settled.set()

        self.host_monitor.probe_now(started_at)
        self.async_schedule()
        unsub = self.async_add_listener(check)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await settled.wait()
        except TimeoutError:
            # The assessment says that it is undetermined.
            pass
        finally:
            unsub()

    @callback
    def async_schedule(self) -> None:
        """Schedule the next probe."""
        if self._subscribers:
            self._timer.async_schedule(self.host_monitor.next_due() - time.monotonic())

    @callback
    def _async_probe_due(self) -> None:
        """Start the probes that are due."""
        for endpoint in self.host_monitor.due(time.monotonic()):
            task = self._hass.async_create_background_task(
                self._async_probe(endpoint), f"{DOMAIN} probe {endpoint.kind}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.async_schedule()

    async def _async_probe(self, endpoint: Endpoint) -> None:
        evidence = await self._prober.probe(endpoint)
        self.host_monitor.observe_probe(endpoint, evidence)
        self.answers[endpoint] = evidence
        if endpoint.region is not None and evidence.good:
            self.latencies[endpoint.region] = evidence.at - evidence.sent_at
        self._hass.data[DATA_STORE].update_hosts(self.host_monitor)
        for update in (*self._subscribers.values(), *self._listeners):
            with isolated("an entry that a host poller updates"):
                update()
        self.async_schedule()


HOST_POLLERS: HassKey[dict[tuple[Endpoint, ...], HostPoller]] = HassKey(
    f"{DOMAIN}.watchers"
)


@callback
def async_get_host_poller(hass: HomeAssistant, hosts: Endpoints) -> HostPoller:
    """Return the poller of these hosts."""
    pollers = hass.data.setdefault(HOST_POLLERS, {})
    endpoints = list_endpoints(hosts)
    if endpoints not in pollers:
        pollers[endpoints] = HostPoller(hass, hosts)
    return pollers[endpoints]
