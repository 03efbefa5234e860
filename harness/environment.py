"""Environment of a scenario: clock, network, simulator and Home Assistant."""

from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path
import tempfile
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState, ConfigSubentry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.util import dt as dt_util, ssl as ssl_util

from custom_components.keycard.auth.keys import async_get_bluetooth_key
from custom_components.keycard.const import (
    CONF_COMPUTERS,
    DOMAIN,
    SUBENTRY_BLUETOOTH_KEY,
)
from custom_components.keycard.outage.endpoints import default_hosts, list_endpoints
from custom_components.keycard.providers import SERVICES
from custom_components.keycard.vehicle.computer_keys import Computer, Pairing
from simulator import Simulator
from simulator.http.certificates import KEY_EXCHANGE
from simulator.protocol import Role, public_keys
from simulator.scenarios.conditions import ConditionKind
from simulator.scenarios.scenario import Home, PhoneSpec, Request

from .clock import OffsetClock
from .event_loop import HarnessLoop
from .fake_network import FakeNetwork, NameFault
from .frontend_client import complete_onboarding
from .home_assistant import HomeAssistantInstance
from .phone import Phone, user_phone
from .ports import reserved_port
from .scenario_runner import Observation, ReceivedNotice, RequestResult
from .time_control import SETTLE_TIMEOUT, HarnessError, TimeControl, Traffic
from .user_client import (
    APP_DOMAIN,
    CLIENT_ID,
    InProcessClient,
    UserClient,
    prepare_sign_in,
    set_up,
)

PROXY_URL = "https://proxy.in-between.example"
TESLA_PROXY_URL = "https://tesla-proxy.home.example:4443"
# Teslemetry's hosts of the stream, by the account's region.
TELEMETRY_URLS = ("https://na.teslemetry.com", "https://eu.teslemetry.com")
TESLA_PROXY_PROVIDERS = ("tesla_proxy", "fleet_server")
SET_UP_SECONDS = 120.0
ACTIONS = {
    "lock": ("lock", "lock", "lock"),
    "unlock": ("lock", "unlock", "lock"),
    "climate_on": ("climate", "turn_on", "climate"),
    "climate_off": ("climate", "turn_off", "climate"),
    "wake": ("button", "press", "wake"),
}


def build_network(simulator: Simulator) -> FakeNetwork:
    """Return a network with the default hosts of Keycard, served by the simulator."""

    def get_name_fault(subject: str) -> NameFault | None:
        match simulator.condition(subject).kind:
            case ConditionKind.DNS:
                return "dns"
            case ConditionKind.NULL:
                return "null"
            case _:
                return None

    network = FakeNetwork(get_name_fault)
    for region in ("na", "eu", "cn"):
        hosts = default_hosts(region)
        for target in list_endpoints(hosts):
            if target.region:
                part = target.region
                subjects: tuple[str, ...] = (
                    f"{part}.status",
                    f"{part}.api",
                    "dns.tesla",
                )
            elif target.url in hosts.sign_in:
                part = "auth"
                subjects = ("auth.token", "auth.authorize", "dns.tesla")
            else:
                part = f"controls{hosts.unrelated.index(target.url) + 1}"
                subjects = (part,)
            if target.url.startswith("http:"):
                part += "_http"
            network.add(target.url, simulator.urls[part], *subjects)
    network.add(PROXY_URL, simulator.urls["proxy"], "proxy.api")
    network.add(TESLA_PROXY_URL, simulator.urls["tesla_proxy"], "tesla_proxy.api")
    network.add(f"https://{APP_DOMAIN}", simulator.urls["domain"], "domain.key")
    for name, service in SERVICES.items():
        if name in simulator.urls:
            network.add(service.base_url, simulator.urls[name], f"{name}.api")
    for url in TELEMETRY_URLS:
        network.add(url, simulator.urls["teslemetry"], "teslemetry.api")
    simulator.prepare_certificates(network.names)
    return network


def trust(simulator: Simulator) -> None:
    """Make Home Assistant trust the certificates of the simulator."""
    if simulator.ca_file is not None:
        context = ssl_util.get_default_context()
        context.load_verify_locations(simulator.ca_file)
        context.set_ecdh_curve(KEY_EXCHANGE)


class ScenarioEnvironment:
    """Environment of a scenario run."""

    def __init__(
        self,
        simulator: Simulator,
        instance: HomeAssistantInstance,
        time_control: TimeControl,
        client: UserClient | None = None,
        add_phone: Callable[[PhoneSpec], Awaitable[Phone]] | None = None,
    ) -> None:
        """Initialize with started parts that share a loop and a clock.

        `add_phone` registers a phone of the user; without it, there is none.
        """
        self._client = client or InProcessClient(instance)
        self.simulator = simulator
        self.instance = instance
        self.time_control = time_control
        self._add_phone = add_phone
        self.phone: Phone | None = None
        self.entries: dict[str, str] = {}  # entry ids by name of the home
        self._reauth: set[str] = set()
        self._tasks: set[Any] = set()
        self.started_at = 0.0
        self._first_events: Counter[str] = Counter()
        self._first_billed = 0

    @property
    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self.time_control.clock.monotonic()

    def start_counting(self) -> None:
        """Start counting notices and billed calls."""
        self.started_at = self.monotonic
        self._first_events = self.instance.outage_events.copy()
        self._first_billed = self.simulator.usage.billed

    async def run_until(
        self, until: float, on_advance: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Advance to a monotonic time, timer by timer; call `on_advance` after each."""

        async def check_reauth() -> None:
            self._watch_reauth()
            if on_advance is not None:
                await on_advance()

        await self.time_control.run_until(until, check_reauth)

    async def add_phone(self, phone: PhoneSpec) -> None:
        """Register a phone of the user."""
        if self._add_phone is not None:
            self.phone = await self._add_phone(phone)
            await self.time_control.settle()

    async def press(self, button: str) -> None:
        """Press a button of a notice on the phone."""
        if self.phone is not None:
            await self.phone.press(button)

    def received(self) -> Sequence[ReceivedNotice]:
        """Return the notices that the phone has received since the start."""
        return [] if self.phone is None else self.phone.received(self.started_at)

    def set(self, conditions: Mapping[str, str]) -> None:
        """Set several conditions at once."""
        self.simulator.apply(conditions)

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock of Home Assistant forward or back."""
        self.time_control.clock.shift_wall_clock(seconds)

    def set_token(self, token: str) -> None:
        """Set the state of the access tokens: "expired" or "ok"."""
        self.simulator.set_token(token)

    async def restart(self) -> None:
        """Restart Home Assistant."""
        # Do not jump while it stops: future timers must not fall due.
        await self.instance.stop()
        await self.time_control.run_task(self.instance.start(), SET_UP_SECONDS)

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set Keycard up with what a new home has by default.

        Cars named in `near` are paired, and a Bluetooth proxy is added.
        """
        base_url = default_hosts(home.region).regions[home.region]
        if home.provider == "proxy":
            base_url = PROXY_URL
        if home.provider in TESLA_PROXY_PROVIDERS:
            base_url = TESLA_PROXY_URL
            for car in home.cars:
                self.simulator.pair(car.name, self.simulator.tesla_proxy.key)
        sign_in = None
        if home.provider in ("fleet", "fleet_server"):
            sign_in = await prepare_sign_in(self.instance, self.simulator, home)
        token = self.token(home)
        set_up_task = self.instance.task(
            set_up(self._client.flow_client, home, base_url, token, sign_in)
        )
        self.entries[home.name] = await self.time_control.run_task(
            set_up_task, SET_UP_SECONDS
        )
        await self.time_control.settle()
        if home.provider == "fleet":
            self._pair_signing_key(home)
        if paired := [car.name for car in home.cars if car.name in near]:
            pairing = self.instance.task(self._pair(home, paired))
            await self.time_control.run_task(pairing, SET_UP_SECONDS)
            await self.time_control.settle()
        entry = self.instance.hass.config_entries.async_get_known_entry(
            self.entries[home.name]
        )
        if entry.state is not ConfigEntryState.LOADED:
            raise HarnessError(f"{home.name} is set up but not loaded: {entry.state}")

    def _pair_signing_key(self, home: Home) -> None:
        """Pair the signing key with the cars that accept signed commands only."""
        for car in home.cars:
            if self.simulator.cars[car.name].signing == "required":
                self.simulator.pair_app(car.name, CLIENT_ID)

    async def _pair(self, home: Home, names: Iterable[str]) -> None:
        """Add the Bluetooth key to cars, as pairing does."""
        hass = self.instance.hass
        self.instance.add_bluetooth_proxy(self.simulator.bluetooth)
        key = await async_get_bluetooth_key(hass)
        for name in names:
            vin = self.simulator.cars[name].vin
            points = {
                Computer(computer): point
                for computer, point in public_keys(vin).items()
            }
            pairing = Pairing(at=dt_util.utcnow().isoformat(), points=points)
            self.simulator.pair(name, key, Role.DRIVER)
            hass.config_entries.async_add_subentry(
                hass.config_entries.async_get_known_entry(self.entries[home.name]),
                ConfigSubentry(
                    data=MappingProxyType({CONF_COMPUTERS: pairing.to_json()}),
                    subentry_type=SUBENTRY_BLUETOOTH_KEY,
                    title=name,
                    unique_id=vin,
                ),
            )
        await hass.async_block_till_done()

    def token(self, home: Home) -> str:
        """Return the token that the user of a home enters."""
        if home.provider == "teslemetry":
            return self.simulator.teslemetry_token(home.name)
        if home.provider == "tessie":
            return self.simulator.tessie_token(home.name)
        return self.simulator.tokens[home.name]

    def _notified(self, entry_id: str) -> int:
        """Return the number of notices of an entry since the start of a case."""
        event = self.entity("event", f"{entry_id}_outage") or ""
        return self.instance.outage_events[event] - self._first_events[event]

    def request(self, request: Request) -> Callable[[], RequestResult]:
        """Send a command; return a function that returns its result so far."""
        domain, action, key = ACTIONS[request.action]
        car = self.simulator.cars[request.car]
        bluetooth_executed = self.simulator.computers[request.car].bluetooth_executed
        before = car.executed[request.command]
        bluetooth_before = bluetooth_executed[request.command]
        results: list[bool] = []

        async def send() -> None:
            entity_id = self.vehicle_entity(domain, request.car, key)
            try:
                await self.instance.hass.services.async_call(
                    domain, action, {"entity_id": entity_id}, blocking=True
                )
            except HomeAssistantError:
                results.append(False)
            else:
                results.append(entity_id is not None)

        task = self.instance.task(send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def get_result() -> RequestResult:
            executed = car.executed[request.command] - before
            over_bluetooth = bluetooth_executed[request.command] > bluetooth_before
            return RequestResult(
                ended=bool(results),
                done=results == [True],
                executed=executed,
                via=("bluetooth" if over_bluetooth else "cloud") if executed else None,
            )

        return get_result

    def observe(self, home: Home) -> Observation:
        """Return the current state of a home."""
        hass, entry_id = self.instance.hass, self.entries[home.name]
        status = hass.states.get(self.entity("sensor", f"{entry_id}_status") or "")
        details = status.attributes if status else {}
        return Observation(
            status=status.state if status else None,
            scope=self._state(self.entity("sensor", f"{entry_id}_scope")),
            subsystems=frozenset(details.get("planes", ())),
            models=frozenset(details.get("models", ())),
            other_regions=frozenset(details.get("elsewhere", ())),
            keys={
                car.name: self._state(
                    self.vehicle_entity("sensor", car.name, "key_to_take")
                )
                for car in home.cars
            },
            notified=self._notified(entry_id),
            reauth=entry_id in self._reauth,
            unavailable=tuple(self._unavailable(entry_id)),
            billed=self.simulator.usage.billed - self._first_billed,
            repairs=tuple(self._repairs(entry_id)),
        )

    def forget_reauth(self) -> None:
        """Forget the reauth flows that have been seen."""
        self._reauth.clear()

    def _watch_reauth(self) -> None:
        for flow in self.instance.hass.config_entries.flow.async_progress():
            if flow["handler"] == DOMAIN:
                context = flow["context"]
                if context.get("source") == SOURCE_REAUTH:
                    self._reauth.add(str(context.get("entry_id")))

    def _unavailable(self, entry_id: str) -> list[str]:
        registry = er.async_get(self.instance.hass)
        return [
            entity.entity_id
            for entity in er.async_entries_for_config_entry(registry, entry_id)
            if entity.disabled_by is None
            and self._state(entity.entity_id) in {None, STATE_UNAVAILABLE}
        ]

    def _repairs(self, entry_id: str) -> list[str]:
        issues = ir.async_get(self.instance.hass).issues.values()
        return [
            issue.translation_key or issue.issue_id
            for issue in issues
            if issue.active and issue.issue_id.startswith(entry_id)
        ]

    def entities(self, entry_id: str) -> dict[str, dict[tuple[str, str], str]]:
        """Return the entity ids of an entry by device, then by domain and key."""
        hass = self.instance.hass
        devices, registry = dr.async_get(hass), er.async_get(hass)
        found: dict[str, dict[tuple[str, str], str]] = {}
        for device in dr.async_entries_for_config_entry(devices, entry_id):
            prefix = next(identifier[1] for identifier in device.identifiers)
            found[device.name or prefix] = {
                (
                    entity.domain,
                    entity.unique_id.removeprefix(f"{prefix}_"),
                ): entity.entity_id
                for entity in er.async_entries_for_device(registry, device.id)
            }
        return found

    def entity(self, domain: str, unique_id: str) -> str | None:
        """Return the id of an entity, None if there is none."""
        registry = er.async_get(self.instance.hass)
        return registry.async_get_entity_id(domain, DOMAIN, unique_id)

    def vehicle_entity(self, domain: str, name: str, key: str) -> str | None:
        """Return the id of an entity of a vehicle, None if there is none."""
        registry = dr.async_get(self.instance.hass)
        devices = chain.from_iterable(
            dr.async_entries_for_config_entry(registry, entry_id)
            for entry_id in self.entries.values()
        )
        for device in devices:
            if device.name == name:
                for identifier in device.identifiers:
                    return self.entity(domain, f"{identifier[1]}_{key}")
        return None

    def _state(self, entity_id: str | None) -> str | None:
        state = self.instance.hass.states.get(entity_id) if entity_id else None
        return state.state if state else None


@asynccontextmanager
async def open_environment(
    homes: Sequence[Home],
    clock: OffsetClock,
    loop: HarnessLoop,
    *,
    core_settings: Mapping[str, Any] | None = None,
    phone: bool = False,
    settle_timeout: float = SETTLE_TIMEOUT,
) -> AsyncIterator[ScenarioEnvironment]:
    """Start the simulated cloud of some homes, and prepare a new Home Assistant.

    The caller starts Home Assistant; it is stopped at the end. A phone can be added
    with `phone` only.
    """
    traffic = Traffic()
    simulator = Simulator(homes, get_time=clock.true_time, tls=True)
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="keycard-home-")
        )
        stack.enter_context(traffic.count_requests())
        port = stack.enter_context(reserved_port())
        await stack.enter_async_context(simulator)
        trust(simulator)
        loop.network = build_network(simulator)
        instance = HomeAssistantInstance(Path(folder), loop, port)
        integrations = ("mobile_app",) if phone else ()
        instance.configure(homes[0].region, core_settings, integrations)

        async def add_phone(spec: PhoneSpec) -> Phone:
            token = await instance.task(complete_onboarding(instance.hass))
            return await stack.enter_async_context(
                user_phone(
                    instance.hass,
                    spec,
                    url=instance.url,
                    token=token,
                    monotonic=clock.monotonic,
                )
            )

        time_control = TimeControl(
            clock, loop, traffic, simulator, settle_timeout=settle_timeout
        )
        try:
            yield ScenarioEnvironment(
                simulator, instance, time_control, add_phone=add_phone
            )
        finally:
            await instance.stop()
