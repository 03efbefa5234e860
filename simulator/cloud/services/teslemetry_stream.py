"""Teslemetry's stream of server-sent events (`/sse`), as its Python client expects it.

Each event has a name, the topic, and a JSON object with `vin`, `createdAt` and the
content. A connection starts with what is stored, marked `isCache`, and goes on with
changes of configured fields; a comment keeps it alive, as the client gives up after 30
seconds of silence. A car sends its signals and its connectivity straight to Teslemetry,
so they go on while Tesla's API fails; `state` and `vehicle_data` are read from that API
(teslemetry-stream 1.2.0, Teslemetry's articles on streaming, Tesla's Fleet Telemetry).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
import json

from ...http.server import Reply
from ...vehicle.car import Car
from ...vehicle.payloads import Json, vehicle_summary
from ...vehicle.telemetry import signals
from .service import json_object

TOPICS = frozenset(
    {
        "state",
        "data",
        "alerts",
        "errors",
        "connectivity",
        "vehicle_data",
        "config",
        "live_status",
        "site_info",
        "tariff_content_v2",
        "energy_totals",
        "credits",
    }
)
INTERVAL = 15.0  # seconds between two looks for changes, and two signs of life
KEEP_ALIVE = ": keep-alive\n\n"
_INTERFACE = "cellular"


@dataclass(kw_only=True)
class Telemetry:
    """Stored data of one car."""

    state: str | None = None
    connected: bool | None = None
    signals: Json = field(default_factory=dict)
    vehicle_data: Json | None = None
    reply: Reply | None = None
    """Reply that holds the vehicle data."""

    config: dict[str, object] | None = None
    """Configured fields; None before the first configuration."""

    errors: list[Json] = field(default_factory=list)

    def update(self, car: Car, *, readable: bool, streaming: bool) -> None:
        """Update from a car; `readable` is whether Tesla's API tells its state."""
        car.advance()
        self.connected = car.connectivity == "online"
        if readable:
            self.state = str(vehicle_summary(car)["state"])
        if self.connected and streaming:
            fields = self.config or {}
            self.signals |= {
                name: value for name, value in signals(car).items() if name in fields
            }

    def store_data(self, reply: Reply) -> None:
        """Store vehicle data that was read from Tesla's API."""
        if reply is not self.reply:
            self.reply = reply
            data = json_object(reply).get("response")
            self.vehicle_data = data if isinstance(data, dict) else None


class EventFeed:
    """Events of one connection."""

    def __init__(
        self,
        telemetry: Mapping[str, Telemetry],
        topics: Collection[str],
        get_time: Callable[[], float],
    ) -> None:
        """Initialize with the telemetry of each car by VIN, and the wanted topics."""
        self._telemetry = telemetry
        self._topics = topics
        self._get_time = get_time
        self._sent = {
            vin: Telemetry(errors=list(one.errors)) for vin, one in telemetry.items()
        }

    def read(self, *, cached: bool = False) -> Iterator[str]:
        """Yield an event for each change since the last call, first for all."""
        for vin, current in self._telemetry.items():
            for topic, content in self._changes(vin, current):
                if topic in self._topics:
                    yield self._event(vin, topic, content, cached=cached)

    def _changes(self, vin: str, current: Telemetry) -> Iterator[tuple[str, Json]]:
        sent = self._sent[vin]
        if current.config is not None and current.config != sent.config:
            sent.config = dict(current.config)
            yield "config", {"config": {"fields": sent.config}}
        if current.connected is not None and current.connected is not sent.connected:
            sent.connected = current.connected
            status = "CONNECTED" if sent.connected else "DISCONNECTED"
            yield "connectivity", {"status": status, "networkInterface": _INTERFACE}
        if current.state is not None and current.state != sent.state:
            sent.state = current.state
            yield "state", {"state": sent.state}
        if current.vehicle_data is not sent.vehicle_data:
            sent.vehicle_data = current.vehicle_data
            yield "vehicle_data", {"vehicle_data": sent.vehicle_data}
        changed = {
            name: value
            for name, value in current.signals.items()
            if name not in sent.signals or sent.signals[name] != value
        }
        if changed:
            sent.signals |= changed
            yield "data", {"data": changed}
        if errors := current.errors[len(sent.errors) :]:
            sent.errors += errors
            yield "errors", {"errors": errors}

    def _event(self, vin: str, topic: str, content: Json, *, cached: bool) -> str:
        now = datetime.fromtimestamp(self._get_time(), UTC)
        data = {
            "vin": vin,
            **content,
            "createdAt": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            **({"isCache": True} if cached else {}),
        }
        return f"event: {topic}\ndata: {json.dumps(data)}\n\n"
