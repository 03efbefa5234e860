"""A client or a car of the package tesla-ble, controlled over pipes.

It runs in a separate process and imports nothing of this project. Its arguments are
`client VIN` or `car VIN`. Each line on its standard input is a JSON object:

- `{"frame": "00.."}`: received bytes in hex;
- `{"call": "lock", "args": [], "id": 1}`: a method call, with or without an id.

Each line on its standard output is a JSON object, too:

- `{"frame": "00.."}`: bytes to send in hex;
- `{"id": 1, "success": true, "error": null}`: result of a method call;
- `{"state": "charge_state", "data": {..}}`: received state;
- `{"poll": "VCSEC Poll", "success": true, "error": null}`: result of a poll;
- `{"done": true}`: the car has processed a line and sent all answers.
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

INTERVAL = 0.005  # seconds between iterations of the client's loop
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
_ENUM_MEMBERS: dict[str, object] = {
    **{f"role.{one.name}": one for one in KeysRole},
    **{f"seat.{one.name}": one for one in SeatPosition},
    **{f"sleep.{one.name}": one for one in SleepState},
}


def write(**message: object) -> None:
    """Write a line."""
    sys.stdout.write(json.dumps(message, default=repr) + "\n")
    sys.stdout.flush()


def arguments(message: dict[str, Any]) -> list[Any]:
    """Return the arguments of a call; `role.DRIVER` and the like become enums."""
    return [
        _ENUM_MEMBERS.get(one, one) if isinstance(one, str) else one
        for one in message.get("args", [])
    ]


class StdoutAdapter(BleAdapter):
    """Adapter that writes sent frames to standard output."""

    @override
    def connect(self, arg0: str, /) -> None:
        """Do nothing: it is always connected."""

    @override
    def disconnect(self) -> None:
        """Do nothing."""

    @override
    def write(self, arg0: bytes, /) -> bool:
        """Send a frame."""
        write(frame=bytes(arg0).hex())
        return True


class MemoryStorage(StorageAdapter):
    """Storage for the lifetime of the process."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, bytes] = {}

    @override
    def load(self, arg0: str, /) -> bytes | None:
        """Return the value of a name."""
        return self.values.get(arg0)

    @override
    def save(self, arg0: str, arg1: bytes, /) -> bool:
        """Store a value."""
        self.values[arg0] = bytes(arg1)
        return True

    @override
    def remove(self, arg0: str, /) -> bool:
        """Remove a value."""
        return self.values.pop(arg0, None) is not None


def received_messages() -> Iterator[list[dict[str, Any]]]:
    """Yield the received messages, at least once in each interval, until EOF."""
    begun = b""
    source = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([source], [], [], INTERVAL)
        if ready:
            if not (chunk := os.read(source, 65536)):
                return
            begun += chunk
        *whole, begun = begun.split(b"\n")
        yield [json.loads(line) for line in whole]


def outcome(result: CommandResult) -> dict[str, object]:
    """Return a result as part of a message."""
    return {"success": result.success, "error": result.error_message}


def write_state(name: str) -> Callable[[dict[str, Any]], None]:
    """Return a callback that writes a state."""
    return lambda data: write(state=name, data=data)


def write_result(call: int) -> Callable[[CommandResult], None]:
    """Return a callback that writes the result of a call."""
    return lambda result: write(id=call, **outcome(result))


def run_client(vin: str) -> None:
    """Run a client."""
    vehicle = Vehicle(StdoutAdapter(), MemoryStorage())
    vehicle.set_vin(vin)
    for name in STATES:
        getattr(vehicle, f"set_{name}_callback")(write_state(name))
    vehicle.set_poll_result_callback(
        lambda name, result: write(poll=name, **outcome(result))
    )
    for messages in received_messages():
        for message in messages:
            if "frame" in message:
                vehicle.on_rx_data(bytes.fromhex(message["frame"]))
            elif "id" in message:
                call = getattr(vehicle, message["call"])
                call(*arguments(message), on_complete=write_result(message["id"]))
            else:
                getattr(vehicle, message["call"])(*arguments(message))
        vehicle.loop()


def run_car(vin: str) -> None:
    """Run a car."""
    car = SimulatedVehicle(vin)
    for line in sys.stdin:
        message = json.loads(line)
        if "frame" in message:
            for frame in car.on_client_frame(bytes.fromhex(message["frame"])):
                write(frame=bytes(frame).hex())
        else:
            getattr(car, message["call"])(*arguments(message))
        write(done=True)


if __name__ == "__main__":
    # By default it logs to standard output.
    set_log_callback(lambda *_: None)
    {"client": run_client, "car": run_car}[sys.argv[1]](sys.argv[2])
