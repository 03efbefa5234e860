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

from aiohttp import ThreadedResolver
from yarl import URL

from homeassistant.helpers import aiohttp_client

from .event_loop import literal

type NameFault = Literal["dns", "null"]

DOCUMENTATION_NET = "198.51.100."
NULL_ADDRESS = "0.0.0.0"  # noqa: S104 - the answer of a DNS blocker, never bound

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKING_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


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
        self._ends: dict[tuple[str, int], tuple[str, int]] = {}

    def add(self, url: str, end: str, *subjects: str) -> None:
        """Route host and port of a URL to a loopback URL."""
        story, loopback = URL(url), URL(end)
        name, port = story.host, story.port
        if not name or port is None or not loopback.host or loopback.port is None:
            raise ValueError(f"{url} -> {end}: host and port are needed")
        known = self._hosts.get(name)
        address = known.address if known else self._next_address()
        before = known.subjects if known else frozenset[str]()
        self._hosts[name] = Host(address=address, subjects=before | {*subjects})
        self._ends[address, port] = (loopback.host, loopback.port)

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
        known = self._hosts.get(name)
        if known is None:
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not in this story")
        faults = {self._name_fault(subject) for subject in sorted(known.subjects)}
        if "dns" in faults:
            raise socket.gaierror(socket.EAI_NONAME, "name not found")
        return NULL_ADDRESS if "null" in faults else known.address

    def route(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback address and port of a target; raise OSError if none."""
        if _is_loopback(address):
            return address, port
        if end := self._ends.get((address, port)):
            return end
        if address == NULL_ADDRESS or address.startswith(DOCUMENTATION_NET):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there")
        raise OSError(errno.ENETUNREACH, f"{address} is not in this story")


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
    sys.addaudithook(refuse_to_leave)


def refuse_to_leave(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that raises OSError for connections beyond this machine."""
    for host in _hosts_asked(event, arguments):
        if host in {"", "localhost", None}:
            continue
        if not literal(str(host)):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is not in this story")
        if event in _CONNECTING and not _is_loopback(str(host)):
            raise OSError(errno.ENETUNREACH, f"{host} is not in this story")


def _hosts_asked(event: str, arguments: tuple[Any, ...]) -> Iterator[object]:
    """Yield the host of an audit event, if it has one."""
    if event in _LOOKING_UP:
        host = arguments[0]
        yield host.decode() if isinstance(host, bytes) else host
    elif event in _CONNECTING:
        address = arguments[1]
        if isinstance(address, tuple):
            yield address[0]


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
