"""An independent client, connected to a simulated car."""

import asyncio
from asyncio.subprocess import PIPE, Process
from itertools import count
import json
from pathlib import Path
import sys
from typing import Any, Self

from simulator.bluetooth import Connection

PROCESS = Path(__file__).with_name("tesla_ble_process.py")
TIMEOUT = 30.0  # seconds; a request takes a fraction of one


class ForeignClient:
    """A client in a separate process."""

    def __init__(self, process: Process, line: Connection) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        """What it was told last, by the name of the state."""

        self.polls: list[tuple[str, bool]] = []
        """What came of each poll."""

        self._process = process
        self._line = line
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[str | None]] = {}
        self._received = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        line.on_chunk = lambda chunk: self._write(frame=chunk.hex())

    @classmethod
    async def start(cls, line: Connection, vin: str) -> Self:
        """Start the process and connect the client."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROCESS), "client", vin, stdin=PIPE, stdout=PIPE
        )
        client = cls(process, line)
        client.send("set_connected", True)
        return client

    async def stop(self) -> None:
        """Stop the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    def send(self, call: str, *args: object) -> None:
        """Call a method without a result."""
        self._write(call=call, args=args)

    async def call(self, call: str, *args: object) -> str | None:
        """Call a method and return its error."""
        async with asyncio.timeout(TIMEOUT):
            return await self.start_call(call, *args)

    def start_call(self, call: str, *args: object) -> asyncio.Future[str | None]:
        """Call a method and return a future of its error."""
        number = next(self._ids)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._write(call=call, args=args, id=number)
        return future

    async def wait_for_state(self, name: str) -> dict[str, Any]:
        """Return a state once the client has received it."""
        async with asyncio.timeout(TIMEOUT):
            while name not in self.states:
                self._received.clear()
                await self._received.wait()
        return self.states[name]

    def _write(self, **message: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            message = json.loads(text)
            if "frame" in message:
                await self._line.write(bytes.fromhex(message["frame"]))
            elif "state" in message:
                self.states[message["state"]] = message["data"]
            elif "poll" in message:
                self.polls.append((message["poll"], message["success"]))
            else:
                error = None if message["success"] else str(message["error"])
                self._waiting.pop(message["id"]).set_result(error)
            self._received.set()
