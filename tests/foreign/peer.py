"""The other side: a client or a car of the package tesla-ble, spoken to over pipes.

It runs in a process of its own and imports nothing of this project. Its arguments are
`client VIN` or `car VIN`. Each line on its standard input is a JSON object:

- `{"frame": "00.."}`: bytes that came over the air, in hex;
- `{"call": "lock", "args": [], "id": 1}`: a method, with or without an id.

Each line on its standard output is one, too:

- `{"frame": "00.."}`: bytes to be sent over the air;
- `{"id": 1, "success": true, "error": null}`: what came of a call of the client;
- `{"state": "charge_state", "data": {..}}`: what the client was told;
- `{"poll": "VCSEC Poll", "success": true, "error": null}`: what came of a poll;
- `{"done": true}`: the car has taken a line, and sent all that it answers.
"""

from collections.abc import Callable, Iterator
import json
import os
import select
import sys
from typing import Any, override

from tesla_ble import (
    BleAdapter,
    CommandResult,
    KeysRole,
    SeatPosition,
    SimulatedVehicle,
    SleepState,
    StorageAdapter,
    Vehicle,
    set_log_callback,
)

PACE = 0.005  # seconds between two turns of the client's loop
STATES = (
    "vehicle_status",
    "charge_state",
    "climate_state",
    "closures_state",
    "drive_state",
    "media_state",
    "software_update_state",
    "tire_pressure_state",
)
_WORDS: dict[str, object] = {
    **{f"role.{one.name}": one for one in KeysRole},
    **{f"seat.{one.name}": one for one in SeatPosition},
    **{f"sleep.{one.name}": one for one in SleepState},
}


def tell(**message: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message, default=repr) + "\n")
    sys.stdout.flush()


def arguments(message: dict[str, Any]) -> list[Any]:
    """Return the arguments of a call; a word such as `role.DRIVER` is an enum's."""
    return [
        _WORDS.get(one, one) if isinstance(one, str) else one
        for one in message.get("args", [])
    ]


class Radio(BleAdapter):
    """What the client sends goes to standard output."""

    @override
    def connect(self, arg0: str, /) -> None:
        """Be connected already."""

    @override
    def disconnect(self) -> None:
        """Stay connected."""

    @override
    def write(self, arg0: bytes, /) -> bool:
        """Send a frame."""
        tell(frame=bytes(arg0).hex())
        return True


class Memory(StorageAdapter):
    """Keys and sessions, for as long as the process runs."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, bytes] = {}

    @override
    def load(self, arg0: str, /) -> bytes | None:
        """Return what is kept under a name."""
        return self.kept.get(arg0)

    @override
    def save(self, arg0: str, arg1: bytes, /) -> bool:
        """Keep something."""
        self.kept[arg0] = bytes(arg1)
        return True

    @override
    def remove(self, arg0: str, /) -> bool:
        """Forget something."""
        return self.kept.pop(arg0, None) is not None


def lines() -> Iterator[list[dict[str, Any]]]:
    """Yield what has come, at least once in each pace; end with the input."""
    begun = b""
    source = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([source], [], [], PACE)
        if ready:
            if not (chunk := os.read(source, 65536)):
                return
            begun += chunk
        *whole, begun = begun.split(b"\n")
        yield [json.loads(line) for line in whole]


def outcome(result: CommandResult) -> dict[str, object]:
    """Return what is told of a result."""
    return {"success": result.success, "error": result.error_message}


def told_of(name: str) -> Callable[[dict[str, Any]], None]:
    """Return what takes a state of the car."""
    return lambda data: tell(state=name, data=data)


def done(call: int) -> Callable[[CommandResult], None]:
    """Return what takes the outcome of a call."""
    return lambda result: tell(id=call, **outcome(result))


def run_client(vin: str) -> None:
    """Be the client of a car."""
    vehicle = Vehicle(Radio(), Memory())
    vehicle.set_vin(vin)
    for name in STATES:
        getattr(vehicle, f"set_{name}_callback")(told_of(name))
    vehicle.set_poll_result_callback(
        lambda name, result: tell(poll=name, **outcome(result))
    )
    for messages in lines():
        for message in messages:
            if "frame" in message:
                vehicle.on_rx_data(bytes.fromhex(message["frame"]))
            elif "id" in message:
                call = getattr(vehicle, message["call"])
                call(*arguments(message), on_complete=done(message["id"]))
            else:
                getattr(vehicle, message["call"])(*arguments(message))
        vehicle.loop()


def run_car(vin: str) -> None:
    """Be a car."""
    car = SimulatedVehicle(vin)
    for line in sys.stdin:
        message = json.loads(line)
        if "frame" in message:
            for frame in car.on_client_frame(bytes.fromhex(message["frame"])):
                tell(frame=bytes(frame).hex())
        else:
            getattr(car, message["call"])(*arguments(message))
        tell(done=True)


if __name__ == "__main__":
    # By itself it writes its log to standard output.
    set_log_callback(lambda *_: None)
    {"client": run_client, "car": run_car}[sys.argv[1]](sys.argv[2])
