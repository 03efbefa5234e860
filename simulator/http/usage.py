"""Request counters, and the calls that Tesla would bill."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Usage:
    """Counters of requests to the simulated cloud.

    `by_endpoint` is keyed by host and endpoint: "na.vehicle_data", "na.status",
    "auth.token", "na.door_lock", "controls1.generate_204", "proxy.products".
    """

    by_endpoint: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    unbilled: int = 0
    leaked_tokens: Counter[str] = field(default_factory=Counter)
    """Requests with a token to hosts that must get none."""

    def record_request(self, endpoint: str) -> None:
        """Count a received request."""
        self.by_endpoint[endpoint] += 1

    def record_reply(
        self, endpoint: str, status: int | None, *, billable: bool
    ) -> None:
        """Count a reply; `status` is None if the connection was cut.

        Tesla bills data, commands and wakes with a status below 500.
        """
        self.by_status[f"{endpoint} {status or 'cut'}"] += 1
        if billable and status is not None and status < 500:
            self.billed += 1
        else:
            self.unbilled += 1

    def count(self, endpoint: str) -> int:
        """Return the requests to an endpoint, on all hosts if none is named."""
        if "." in endpoint:
            return self.by_endpoint[endpoint]
        return sum(
            number
            for name, number in self.by_endpoint.items()
            if name.partition(".")[2] == endpoint
        )

    def as_dict(self) -> dict[str, object]:
        """Return the counters as JSON data."""
        return {
            "by_endpoint": dict(sorted(self.by_endpoint.items())),
            "by_status": dict(sorted(self.by_status.items())),
            "billed": self.billed,
            "unbilled": self.unbilled,
        }
