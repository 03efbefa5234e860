"""Prices of the calls, by provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..const import (
    PROVIDER_COMPATIBLE,
    PROVIDER_FLEET,
    PROVIDER_TESLEMETRY,
    PROVIDER_TESSIE,
)

CURRENCY = "USD"


class Charge(StrEnum):
    """Kind of billed call."""

    DATA = "data"
    COMMANDS = "commands"
    WAKES = "wakes"


class Billing(StrEnum):
    """Billing model of a provider."""

    BY_CALL = "by_call"
    SUBSCRIPTION = "subscription"
    UNKNOWN_TARIFF = "unknown"


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """Prices of a provider, in calls per US dollar.

    `monthly_credit` is in US dollars. With `cached`, reading data is free and
    refreshing them is billed. `since` is the date from which the prices apply
    (ISO 8601), `source` the page that lists them.
    """

    billing: Billing
    calls_per_dollar: Mapping[Charge, int] = field(default_factory=dict)
    monthly_credit: float = 0.0
    cached: bool = False
    since: str | None = None
    source: str | None = None

    @property
    def bills_calls(self) -> bool:
        """Return whether calls are billed, or may be."""
        return self.billing is not Billing.SUBSCRIPTION

    def cost(self, counts: Mapping[Charge, int]) -> float | None:
        """Return the cost of calls (USD), None if they have no price."""
        if self.billing is not Billing.BY_CALL:
            return None
        return sum(
            count / self.calls_per_dollar[charge] for charge, count in counts.items()
        )


UNKNOWN_TARIFF = Tariff(billing=Billing.UNKNOWN_TARIFF)

_TESLA = Tariff(
    billing=Billing.BY_CALL,
    calls_per_dollar={Charge.DATA: 500, Charge.COMMANDS: 1000, Charge.WAKES: 50},
    monthly_credit=10.0,
    since="2025-02-01",
    source="https://developer.tesla.com/docs/fleet-api/billing-and-limits",
)

_TARIFFS: Mapping[str, Tariff] = {
    PROVIDER_FLEET: _TESLA,
    # 2,000 credits cost $2.50: a refresh takes 2 credits, a command 1, a wake 20.
    PROVIDER_TESLEMETRY: Tariff(
        billing=Billing.BY_CALL,
        calls_per_dollar={Charge.DATA: 400, Charge.COMMANDS: 800, Charge.WAKES: 40},
        cached=True,
        since="2025-02-01",
        source="https://teslemetry.com/pricing",
    ),
    PROVIDER_TESSIE: Tariff(
        billing=Billing.SUBSCRIPTION,
        source="https://developer.tessie.com/reference/access-tesla-fleet-api",
    ),
}


def tariff_of(provider: str, *, third_party: bool) -> Tariff:
    """Return the tariff of a provider.

    A compatible server is billed by Tesla unless it is a `third_party`.
    """
    if provider == PROVIDER_COMPATIBLE and not third_party:
        return _TESLA
    return _TARIFFS.get(provider, UNKNOWN_TARIFF)
