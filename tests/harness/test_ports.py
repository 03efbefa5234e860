"""Ports are reserved for one process."""

import asyncio
import socket
import sys

import pytest

from harness.ports import ANY, HOST, port_error, reserved_port

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reserve a port")
async def test_only_a_server_gets_a_reserved_port() -> None:
    with reserved_port() as port, reserved_port() as other:
        assert port != other
        with pytest.raises(OSError, match="in use"), reserved_port((port,)):
            pass
        for _ in range(2):
            server = await asyncio.start_server(lambda *_: None, HOST, port)
            server.close()
            await server.wait_closed()
    with reserved_port((port,)) as again:
        assert again == port


def test_a_taken_port_is_skipped() -> None:
    with socket.socket() as server:
        server.bind((HOST, ANY))
        server.listen()
        taken = server.getsockname()[1]
        assert port_error(taken)
        with reserved_port((taken, ANY)) as port:
            assert port != taken
            assert port_error(port) is None
