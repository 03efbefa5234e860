"""Simulated network inside one process.

Each host has an address from the range reserved for documentation, and connections to
it end at a port of the simulator. All other names and addresses are unknown: nothing
leaves the machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import errno
from ipaddress import ip_address
import socket
import sys
from typing import Any, Literal, override

import aiohappyeyeballs
from aiohttp import ThreadedResolver
from yarl import URL

from homeassistant.helpers import aiohttp_client

from .event_loop import is_ip_address

type NameFault = Literal["dns", "null"]

DOCUMENTATION_NET = "198.51.100."
NULL_ADDRESS = "0.0.0.0"  # noqa: S104 - the answer of a DNS blocker, never bound

_CONNECT_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVE_EVENTS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


@dataclass(frozen=True, kw_only=True)
class Host:
    """Address and subjects of a host."""

    address: str
    subjects: frozenset[str]


class FakeNetwork:
    """Names, addresses and ports of the simulated network."""

    def __init__(self, name_fault: Callable[[str], NameFault | None]) -> None:
        """Initialize with a function that returns a subject's current name fault."""
        self._name_fault = name_fault
        self._hosts: dict[str, Host] = {}
        self._targets: dict[tuple[str, int], tuple[str, int]] = {}

    def add(self, url: str, target: str, *subjects: str) -> None:
        """Route host and port of a URL to a loopback URL."""
        source, loopback = URL(url), URL(target)
        name, port = source.host, source.port
        if not name or port is None or not loopback.host or loopback.port is None:
            raise ValueError(f"{url} -> {target}: host and port are needed")
        host = self._hosts.get(name)
        address = host.address if host else self._next_address()
        known_subjects = host.subjects if host else frozenset[str]()
        self._hosts[name] = Host(address=address, subjects=known_subjects | {*subjects})
        self._targets[address, port] = (loopback.host, loopback.port)

    @property
    def names(self) -> tuple[str, ...]:
        """Return all known names."""
        return tuple(self._hosts)

    def _next_address(self) -> str:
        return f"{DOCUMENTATION_NET}{len(self._hosts) + 1}"

    def resolve(self, host: str) -> str:
        """Return the address of a host; raise socket.gaierror if there is none."""
        name = host.rstrip(".").lower()
        if name == "localhost":
            return "127.0.0.1"
        known_host = self._hosts.get(name)
        if known_host is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not in this scenario")
        faults = {self._name_fault(subject) for subject in sorted(known_host.subjects)}
        if "dns" in faults:
            raise socket.gaierror(socket.EAI_NONAME, "name not found")
        return NULL_ADDRESS if "null" in faults else known_host.address

    def route(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback address and port of a target; raise OSError if none."""
        if _is_loopback(address):
            return address, port
        if end := self._targets.get((address, port)):
            return end
        if address == NULL_ADDRESS or address.startswith(DOCUMENTATION_NET):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there")
        raise OSError(errno.ENETUNREACH, f"{address} is not in this scenario")


class FakeResolver(ThreadedResolver):
    """Resolver that uses the event loop, and thereby the simulated network."""

    async def real_close(self) -> None:
        """Close like Home Assistant's resolver."""
        await super().close()

    @override
    async def close(self) -> None:
        """Do nothing, as the sessions share one resolver."""


def install() -> None:
    """Make Home Assistant's sessions resolve names through the event loop.

    Afterwards the process only reaches this machine, even from threads and libraries
    that do not use the event loop.
    """
    vars(aiohttp_client).update(_async_make_resolver=lambda _hass: FakeResolver())
    vars(aiohappyeyeballs).update(remove_addr_infos=_remove_addresses)
    sys.addaudithook(block_external_access)


def _remove_addresses(addr_infos: list[Any], _peer: tuple[Any, ...]) -> None:
    """Remove the address of a host whose certificate is not the pinned one.

    A host has one. That of the connection is the simulator's.
    """
    addr_infos.clear()


def block_external_access(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that raises OSError for connections beyond this machine."""
    for host in _event_hosts(event, arguments):
        if host in {"", "localhost", None}:
            continue
        if not is_ip_address(str(host)):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is not in this scenario")
        if event in _CONNECT_EVENTS and not _is_loopback(str(host)):
            raise OSError(errno.ENETUNREACH, f"{host} is not in this scenario")


def _event_hosts(event: str, arguments: tuple[Any, ...]) -> Iterator[object]:
    """Yield the host of an audit event, if it has one."""
    if event in _RESOLVE_EVENTS:
        host = arguments[0]
        yield host.decode() if isinstance(host, bytes) else host
    elif event in _CONNECT_EVENTS:
        address = arguments[1]
        if isinstance(address, tuple):
            yield address[0]


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
