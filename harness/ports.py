"""Ports of this machine, reserved so that no other process gets them meanwhile."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
import socket
import sys

HOST = "127.0.0.1"
ANY = 0


@contextmanager
def reserved_port(candidates: Iterable[int] = (ANY,)) -> Iterator[int]:
    """Reserve the first port that is unused; raise OSError if there is none.

    A server with SO_REUSEADDR can listen on it. This is so on Linux only: elsewhere,
    the port is merely unused when this function is entered.
    """
    with socket.socket() as reserved:
        port = _bind_first(reserved, candidates)
        if sys.platform == "linux":
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            reserved.close()
        yield port


def _bind_first(reserved: socket.socket, candidates: Iterable[int]) -> int:
    error = OSError("no port to choose from")
    for candidate in candidates:
        try:
            reserved.bind((HOST, candidate))
        except OSError as err:
            error = err
        else:
            port: int = reserved.getsockname()[1]
            return port
    raise error


def port_error(port: int) -> str | None:
    """Return the reason why a port is unavailable, None if it is available."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as err:
            return err.strerror
    return None
