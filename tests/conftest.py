"""Fixtures of Home Assistant with Keycard and the simulated cloud."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC
import logging
import os
from pathlib import Path
from random import Random
import socket
import tempfile
import threading
import time
from typing import Any, override
from unittest.mock import AsyncMock, patch
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from bluetooth_adapters.systems.linux import LinuxAdapters
from hypothesis.configuration import set_hypothesis_home_dir
import pytest
from yarl import URL

from homeassistant.components import usb
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.const import SERVER_PORT
from homeassistant.core import HomeAssistant, State
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import aiohttp_client, script
from homeassistant.helpers.storage import Store
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, mock_storage
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

import custom_components.keycard
from custom_components.keycard import coordinator
from custom_components.keycard.auth.keys import async_publish_public_key
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.coordinator import VehicleCoordinator
from custom_components.keycard.runtime.vehicles import VehicleManager
from harness.fake_network import FakeResolver
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .config_entries import hosts_options, server_entry
from .event_loop import CheckedHarnessLoop
from .flow_steps import notify_nobody
from .request_timeouts import ManualTimeouts, patch_timeouts

# Home Assistant finds the package only if it was imported before.


HOME = Home(
    region="eu",
    cars=(
        CarSpec(name="Ada", model="model3", year=2021),
        CarSpec(name="Cy", model="models", year=2018),
    ),
)
WATCHED_CARS = {
    "ada": {"name": "Ada", "model": "model3", "year": 2021, "key": "keycard"},
    "cy": {"name": "Cy", "model": "models", "year": 2018, "key": "fob"},
}

# Logging each registered entity takes longer than registering it.
logging.getLogger("homeassistant").setLevel(logging.WARNING)

_PYCARES_THREAD = "_run_safe_shutdown_loop"

# Iterations of the event loop after which loopback connections are accepted.
LOOP_ITERATIONS = 20

# The longest tests begin first: at the end no process waits long for another one.
LONG_TESTS = (
    "tests/test_month_benchmark.py",
    "tests/invariants/test_random_faults.py",
    "tests/test_peers_benchmark.py",
    "tests/test_fault_matrix_benchmark.py",
    "tests/invariants/test_bills_are_the_users.py",
    "tests/outage/test_external_data.py::test_a_month_of_ordinary_life",
    "tests/invariants/test_every_command.py",
    "tests/invariants/test_secrets_stay.py",
    "tests/harness/test_programs.py",
)

type SignIn = Callable[..., Awaitable[ConfigFlowResult]]
type SetUp = Callable[[MockConfigEntry], Awaitable[MockConfigEntry]]

assert custom_components.keycard.PLATFORMS

# By default Hypothesis writes its examples to the checkout.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "keycard-hypothesis")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], CheckedHarnessLoop]]:
    """Use an event loop that checks its callers and exposes its next timer."""
    return {"checked": CheckedHarnessLoop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the longest tests first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_TESTS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Drop the log of a test that passed: processes send what a report contains."""
    report = yield
    if report.passed and "PYTEST_XDIST_WORKER" in os.environ:
        report.sections.clear()
    return report


# Most tests need neither a loop nor a Home Assistant. Fixtures of the test packages
# that would take longer than such a test are replaced here.


@pytest.fixture(scope="session", autouse=True)
def enable_event_loop_debug() -> None:
    """Disable the debug mode of the loop, which has the checks itself."""


@pytest.fixture(scope="session", autouse=True)
def configure_session_event_loop() -> None:
    """Start no loop for the session: no fixture of a session is asynchronous."""


class LocalResolver(FakeResolver):
    """Resolver that knows this machine only, whatever the machine can reach."""

    @override
    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        """Return the loopback address; raise OSError for other names."""
        if host != "localhost":
            raise OSError(socket.EAI_NONAME, f"{host} is not in this test")
        return await super().resolve("127.0.0.1", port, family)


@pytest.fixture(scope="session", autouse=True)
def mock_zeroconf_resolver() -> Iterator[None]:
    """Resolve names without a resolver that needs a loop of the session."""
    with patch.object(
        aiohttp_client, "_async_make_resolver", lambda _hass: LocalResolver()
    ):
        yield


@pytest.fixture(scope="session", autouse=True)
def skip_stop_scripts() -> Iterator[None]:
    """Schedule no end of scripts, which would leave timers behind."""
    with patch.object(script, "_schedule_stop_scripts_after_shutdown"):
        yield


@pytest.fixture(scope="session", autouse=True)
def expected_lingering_tasks() -> bool:
    """Return that no task may be left behind."""
    return False


@pytest.fixture(scope="session", autouse=True)
def expected_lingering_timers() -> bool:
    """Return that no timer may be left behind."""
    return False


def has_event_loop(request: pytest.FixtureRequest) -> bool:
    """Return whether a test runs in an event loop."""
    is_async = request.node.get_closest_marker("asyncio") is not None
    return is_async or "hass" in request.fixturenames


@pytest.fixture(autouse=True)
def configure_event_loop(request: pytest.FixtureRequest) -> None:
    """Configure the loop of a test that has one."""
    if has_event_loop(request):
        request.getfixturevalue("configure_event_loop")


@pytest.fixture(autouse=True)
def verify_cleanup(request: pytest.FixtureRequest) -> Iterator[None]:
    """Verify that a test leaves nothing behind."""
    # Only pytest can import it: before Home Assistant's recorder.
    from pytest_homeassistant_custom_component.plugins import HASocketBlockedError

    if has_event_loop(request):
        request.getfixturevalue("verify_cleanup")
        yield
        return
    threads = set(threading.enumerate())
    yield
    # A test with asynchronous fixtures has to be asynchronous itself.
    assert "_function_scoped_runner" not in request.fixturenames
    # The thread of pycares closes the resolvers of sessions that are gone.
    left = {one for one in threading.enumerate() if _PYCARES_THREAD not in one.name}
    assert left <= threads
    assert dt_util.get_default_time_zone() is UTC
    assert vars(HASocketBlockedError)["instances"] == []


@pytest.fixture(scope="session")
def storage_mocks() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data of a mocked storage, and its mocks by name."""
    names = ("_async_load", "_async_write_data", "async_remove")
    with mock_storage() as data:
        return data, {name: vars(Store)[name] for name in names}


@pytest.fixture
def hass_storage(
    storage_mocks: tuple[dict[str, Any], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Mock the storage: making the mocks takes as long as making a Home Assistant."""
    data, mocks = storage_mocks
    data.clear()
    with pytest.MonkeyPatch.context() as patch_store:
        for name, mock in mocks.items():
            mock.reset_mock()
            patch_store.setattr(Store, name, mock)
        yield data


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture the messages of all loggers."""
    caplog.set_level(logging.DEBUG, "homeassistant")
    return caplog


@pytest.fixture(autouse=True)
def disable_http_server(request: pytest.FixtureRequest) -> None:
    """Disable the HTTP server in tests with a Home Assistant."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("disable_http_server")


@pytest.fixture(autouse=True)
def prepare_home_assistant(request: pytest.FixtureRequest) -> None:
    """Prepare the Home Assistant of a test for Keycard."""
    if "hass" in request.fixturenames:
        for name in (
            "enable_custom_integrations",
            "no_adapters",
            "late_polls",
            "key_file",
        ):
            request.getfixturevalue(name)


@pytest.fixture
def no_adapters(request: pytest.FixtureRequest) -> Iterator[None]:
    """Patch Bluetooth adapters away; Home Assistant would discover them.

    Keycard sets Bluetooth up; advertisements come from proxies.
    """
    with ExitStack() as stack:
        # The watcher would scan for USB devices in a thread.
        stack.enter_context(patch.object(usb, "AIOUSBWatcher"))
        if "enable_bluetooth" not in request.fixturenames:
            stack.enter_context(patch.object(LinuxAdapters, "adapters", {}))
        yield


class LateRandom(Random):
    """Random numbers in the last tenth of their range."""

    @override
    def random(self) -> float:
        """Return a number from 0.9 to 1."""
        return 0.9 + super().random() / 10


@pytest.fixture
def late_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll late: no state that a test sets is replaced on a slow machine."""
    monkeypatch.setattr(coordinator, "Random", LateRandom)


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the key files in the folder of the test."""
    path = tmp_path / "keycard.key"
    monkeypatch.setattr(
        "custom_components.keycard.auth.keys.signing_key_path", lambda _hass: path
    )
    monkeypatch.setattr(
        "custom_components.keycard.auth.keys.bluetooth_key_path",
        lambda _hass: tmp_path / "keycard_bluetooth.key",
    )
    return path


@pytest.fixture
def default_port_taken(socket_enabled: None) -> Iterator[None]:
    """Listen on Home Assistant's default port, unless another program does so."""
    with socket.socket() as server:
        with suppress(OSError):
            server.bind(("127.0.0.1", SERVER_PORT))
            server.listen()
        yield


@pytest.fixture
async def simulator(
    request: pytest.FixtureRequest, socket_enabled: None
) -> AsyncIterator[Simulator]:
    """Start the simulated cloud on loopback; it stops after Home Assistant."""
    async with Simulator(HOME) as running:
        yield running
        if "hass" in request.fixturenames:
            await unload(request.getfixturevalue("hass"))


async def unload(hass: HomeAssistant) -> None:
    """Unload all entries and wait for the last requests."""
    await hass.async_block_till_done()
    loaded = [
        entry
        for entry in hass.config_entries.async_entries(DOMAIN)
        # An entry with a mocked set-up has nothing to unload.
        if entry.state is ConfigEntryState.LOADED and hasattr(entry, "runtime_data")
    ]
    for entry in loaded:
        assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    if loaded:
        # The server may still have to accept a canceled connection.
        for _ in range(LOOP_ITERATIONS):
            await asyncio.sleep(0)


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> ManualTimeouts:
    """Control the timeouts of requests."""
    return patch_timeouts(monkeypatch)


@pytest.fixture
def compatible_entry(simulator: Simulator) -> MockConfigEntry:
    """Return an entry for the vehicles of the simulated account."""
    return server_entry(simulator)


@pytest.fixture
def watching_entry(simulator: Simulator) -> MockConfigEntry:
    """Return an entry without an account."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (Europe)",
        unique_id="watch_eu",
        data={"provider": "watch_only", "region": "eu"},
        options={**hosts_options(simulator), "cars": WATCHED_CARS},
    )


@pytest.fixture
def set_up_entry() -> Iterator[AsyncMock]:
    """Mock the set-up of entries that flows create."""
    with patch(
        "custom_components.keycard.async_setup_entry", return_value=True
    ) as mock:
        yield mock


@pytest.fixture
def set_up(hass: HomeAssistant) -> SetUp:
    """Return a function that sets up an entry."""

    async def add(entry: MockConfigEntry) -> MockConfigEntry:
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    return add


@pytest.fixture
def every_entity() -> Iterator[None]:
    """Enable the entities that are disabled by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default", True
    ):
        yield


@pytest.fixture
def everything_fitted(simulator: Simulator) -> Iterator[None]:
    """Give a vehicle all optional equipment, and let commands be signed."""
    simulator.cars["Ada"].config |= {
        "has_seat_cooling": True,
        "third_row_seats": "SixSeats",
    }
    with patch.object(VehicleManager, "can_sign", True):
        yield


@pytest.fixture
async def sign_in(
    hass: HomeAssistant,
    simulator: Simulator,
    hass_client_no_auth: ClientSessionGenerator,
    current_request_with_host: None,
) -> AsyncIterator[SignIn]:
    """Return a function that signs in on the page that a flow opens."""
    assert await async_setup_component(hass, "application_credentials", {})
    # Views and static paths must be registered before the first request.
    assert await async_setup_component(hass, DOMAIN, {})
    async_publish_public_key(hass)
    client = await hass_client_no_auth()
    name = simulator.homes[0].name
    async with aiohttp.ClientSession() as browser:

        async def go(result: ConfigFlowResult, **parameters: str) -> ConfigFlowResult:
            assert result["type"] is FlowResultType.EXTERNAL_STEP
            query = {"consent": "allow", "account": name, **parameters}
            url = URL(result["url"]).update_query(query)
            async with browser.get(url, allow_redirects=False) as response:
                assert response.status == 302, await response.text()
                back = urlsplit(response.headers["Location"])
            assert back.path == "/auth/external/callback"
            assert (await client.get(f"{back.path}?{back.query}")).status == 200
            return await notify_nobody(
                hass, await hass.config_entries.flow.async_configure(result["flow_id"])
            )

        yield go


async def until(
    hass: HomeAssistant, holds: Callable[[], bool], timeout: float = 60.0
) -> None:
    """Run requests and timers with the real clock until a condition holds."""
    loop = hass.loop
    assert isinstance(loop, CheckedHarnessLoop)
    end = time.perf_counter() + timeout
    while not holds():
        # Check again after each event.
        await loop.wait_for(lambda busy: busy or time.perf_counter() > end)
        assert time.perf_counter() < end, "the condition never held"
        await hass.async_block_till_done()


@pytest.fixture
async def account(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> MockConfigEntry:
    """Set up the simulated account and wait for the data of its vehicles."""
    await set_up(compatible_entry)

    def known() -> bool:
        cars = compatible_entry.runtime_data.vehicles.values()
        return len(cars) == len(HOME.cars) and all(car.data.is_current for car in cars)

    await until(hass, known)
    await hass.async_block_till_done()
    return compatible_entry


@pytest.fixture
async def watch(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> MockConfigEntry:
    """Set up an entry without an account and wait for its assessment."""
    await set_up(watching_entry)
    await until(hass, lambda: assessment_status(watching_entry) == "operational")
    return watching_entry


def assessment_status(entry: MockConfigEntry) -> str:
    """Return the status of an entry's assessment."""
    return str(entry.runtime_data.coordinator.data.assessment.status)


def car_of(entry: MockConfigEntry, name: str) -> VehicleCoordinator:
    """Return the coordinator of a vehicle by its name."""
    cars: list[VehicleCoordinator] = list(entry.runtime_data.vehicles.values())
    return next(car for car in cars if car.vehicle.name == name)


def show_state(car: VehicleCoordinator, **changes: Any) -> None:
    """Change the known state of a vehicle."""
    assert car.data.state is not None
    state = replace(car.data.state, **changes)
    car.actual = replace(car.actual, state=state)
    car.async_set_updated_data(replace(car.data, state=state))


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return the state of an entity, which must exist."""
    state = hass.states.get(entity_id)
    assert state is not None
    return state
