"""Tests of the simulated network."""

import socket

import pytest

from harness.fake_network import FakeNetwork, NameFault, block_external_access

TESLA = "https://api.tesla.example/status"


@pytest.fixture
def faults() -> dict[str, NameFault]:
    return {}


@pytest.fixture
def internet(faults: dict[str, NameFault]) -> FakeNetwork:
    internet = FakeNetwork(faults.get)
    internet.add(TESLA, "https://127.0.0.1:4001", "na.api", "dns.tesla")
    internet.add("http://control.example/ok", "http://127.0.0.1:4002", "controls1")
    internet.add("https://control.example/ok", "https://127.0.0.1:4003", "controls1")
    return internet


def test_a_host_has_an_address_of_its_own_that_leads_to_this_machine(
    internet: FakeNetwork,
) -> None:
    tesla = internet.resolve("api.tesla.example")
    control = internet.resolve("Control.Example.")
    assert tesla != control
    assert tesla.startswith("198.51.100.")
    assert internet.route(tesla, 443) == ("127.0.0.1", 4001)
    assert internet.route(control, 80) == ("127.0.0.1", 4002)
    assert internet.route(control, 443) == ("127.0.0.1", 4003)


def test_an_unserved_port_refuses_connections(internet: FakeNetwork) -> None:
    with pytest.raises(ConnectionRefusedError):
        internet.route(internet.resolve("api.tesla.example"), 80)


def test_an_unregistered_name_is_unknown(internet: FakeNetwork) -> None:
    with pytest.raises(socket.gaierror):
        internet.resolve("example.com")


def test_an_unregistered_address_is_unreachable(
    internet: FakeNetwork,
) -> None:
    with pytest.raises(OSError, match="not in this scenario"):
        internet.route("93.184.216.34", 443)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_this_machine_is_itself(internet: FakeNetwork, address: str) -> None:
    assert internet.route(address, 8123) == (address, 8123)


@pytest.mark.parametrize("subject", ["na.api", "dns.tesla"])
def test_a_name_can_be_lost(
    internet: FakeNetwork, faults: dict[str, NameFault], subject: str
) -> None:
    faults[subject] = "dns"
    with pytest.raises(socket.gaierror):
        internet.resolve("api.tesla.example")
    assert internet.resolve("control.example")


def test_a_null_address_refuses_connections(
    internet: FakeNetwork, faults: dict[str, NameFault]
) -> None:
    faults["dns.tesla"] = "null"
    assert internet.resolve("api.tesla.example") == "0.0.0.0"
    with pytest.raises(ConnectionRefusedError):
        internet.route("0.0.0.0", 443)


def test_an_end_needs_a_host_and_a_port(internet: FakeNetwork) -> None:
    with pytest.raises(ValueError, match="host and port"):
        internet.add("/status", "http://127.0.0.1:1", "na.api")


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("93.184.216.34", 443))),
        ("socket.connect", (None, ("2001:db8::1", 443, 0, 0))),
        ("socket.sendto", (None, ("224.0.0.251", 5353))),
        ("socket.getaddrinfo", ("example.com", 443, 0, 0, 0)),
        ("socket.getaddrinfo", (b"example.com", 443, 0, 0, 0)),
        ("socket.gethostbyname", ("example.com",)),
    ],
)
def test_no_connection_leaves_the_machine(
    event: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(OSError, match="not in this scenario"):
        block_external_access(event, arguments)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", (None, ("127.0.0.1", 443))),
        ("socket.connect", (None, ("::1", 443, 0, 0))),
        ("socket.connect", (None, "/run/a.socket")),
        ("socket.getaddrinfo", (None, 0, 0, 0, 0)),
        ("socket.getaddrinfo", ("localhost", 80, 0, 0, 0)),
        ("socket.getaddrinfo", ("198.51.100.1", 80, 0, 0, 0)),
        ("open", ("93.184.216.34", "r", 0)),
    ],
)
def test_this_machine_is_allowed(event: str, arguments: tuple[object, ...]) -> None:
    """No error is raised."""
    block_external_access(event, arguments)
