"""Cases of the comparison that are no outage of Tesla's cloud, and the outage."""

from dataclasses import dataclass, field

from simulator.scenarios.conditions import SERVICES

from .peer_integrations import Integration

REGION = "eu"
MINUTE = 60.0
_UNRELATED = "controls"
_HOSTS = (
    "all.status",
    "all.api",
    "auth.token",
    "auth.authorize",
    *(f"{name}.api" for name in SERVICES),
)
OUTAGE = {f"{REGION}.status": "503 down", f"{REGION}.api": "503 down"}
LIMIT = "403 account disabled: EXCEEDED_LIMIT"
NO_SUBSCRIPTION = '402 {"error":"subscription_required"}'


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case, with the conditions of hosts that hold for a time."""

    title: str
    conditions: dict[str, str] = field(default_factory=dict)
    own_host: str | None = None
    """Condition of the host that answers the calls of the integration."""

    third_party_host: str | None = None
    """Condition of that host where it is a third party's."""

    cars: str | None = None
    """Condition of the cars."""

    minutes: float = 15.0

    def apply_to(
        self, integration: Integration, cars: tuple[str, ...]
    ) -> dict[str, str]:
        """Return the conditions by subject, empty if the case cannot occur."""
        found = dict(self.conditions)
        if integration.account and self.own_host:
            found[f"{integration.third_party or REGION}.api"] = self.own_host
        if integration.third_party and self.third_party_host:
            found[f"{integration.third_party}.api"] = self.third_party_host
        if integration.account and self.cars:
            found |= {f"car.{name}": self.cars for name in cars}
        return found


CASES = {
    "internet": Case(
        title="Own internet down",
        conditions=dict.fromkeys((*_HOSTS, _UNRELATED), "refuse"),
    ),
    # It answers for every host, and has no certificate for one.
    "portal": Case(
        title="Captive portal",
        conditions=dict.fromkeys(_HOSTS, "tls") | {_UNRELATED: "portal"},
    ),
    "one_host": Case(title="One host away", conditions={"controls1": "refuse"}),
    "asleep": Case(title="Cars asleep", cars="asleep", minutes=60.0),
    "limit": Case(title="Too many requests", own_host="retry-after:1200"),
    "bill": Case(
        title="Bill or subscription", own_host=LIMIT, third_party_host=NO_SUBSCRIPTION
    ),
    "third_party": Case(title="Third party down", third_party_host="503 down"),
}
