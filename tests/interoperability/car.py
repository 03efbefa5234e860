"""An independent car in place of a simulated one's computers."""

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    RoutableMessage,
)

from simulator.bluetooth.framing import FrameDecoder
from simulator.protocol import SendLater, Whitelist

PROCESS = Path(__file__).with_name("tesla_ble_process.py")


class ForeignCar:
    """A car in a separate process, connected by the simulated environment."""

    def __init__(self, vin: str) -> None:
        self.whitelist = Whitelist(lambda: 0.0)  # unused: the process has its own
        self._process = subprocess.Popen(
            [sys.executable, str(PROCESS), "car", vin],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        """Stop the process."""
        self._process.communicate()

    def set(self, name: str, *args: object) -> None:
        """Set a state of the car."""
        self._send(call=f"set_{name}", args=args)

    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Send a message to the car and return its answer."""
        frames = FrameDecoder()
        replies = self._send(frame=(len(data).to_bytes(2) + data).hex())
        answers = [
            message
            for one in replies
            for message in frames.feed(bytes.fromhex(one["frame"]))
        ]
        for message in answers[1:]:
            send_later(message)
        return answers[0] if answers else None

    def broadcast(self) -> bytes:
        """Return an empty broadcast: the car sends none by itself."""
        message = RoutableMessage(
            to_destination=Destination(domain=Domain.DOMAIN_BROADCAST),
            from_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
        )
        return bytes(message.SerializeToString())

    def unsolicited_messages(self) -> tuple[bytes, ...]:
        """Return no messages."""
        return ()

    def _send(self, **message: object) -> list[dict[str, Any]]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        replies: list[dict[str, Any]] = []
        while "done" not in (line := json.loads(process.stdout.readline())):
            replies.append(line)
        return replies
