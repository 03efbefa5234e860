"""Tests of usage, prices and budget."""

from datetime import datetime, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.keycard.cost.budget import (
    BudgetState,
    MonthlyUsage,
    StoredUsage,
    end_of_month,
    start_of_month,
)
from custom_components.keycard.cost.middleware import charge_of
from custom_components.keycard.cost.pricing import Billing, Charge, tariff_of

HOME = ZoneInfo("Europe/Berlin")
OCTOBER = datetime(2026, 10, 1, tzinfo=HOME)
TESLA = tariff_of("fleet", third_party=False)


def spending(budget: float | None = None, data: int = 0, **kwargs: Any) -> MonthlyUsage:
    found = MonthlyUsage(tariff=TESLA, month=OCTOBER, budget=budget, **kwargs)
    found.counts[Charge.DATA] = data
    return found


@pytest.mark.parametrize(
    ("provider", "third_party", "billing", "cost"),
    [
        # 1,000 data calls, 100 commands, 10 wakes.
        ("fleet", False, Billing.BY_CALL, 2.0 + 0.1 + 0.2),
        ("compatible", False, Billing.BY_CALL, 2.0 + 0.1 + 0.2),
        ("compatible", True, Billing.UNKNOWN_TARIFF, None),
        ("teslemetry", True, Billing.BY_CALL, 2.5 + 0.125 + 0.25),
        ("tessie", True, Billing.SUBSCRIPTION, None),
        ("watch_only", False, Billing.UNKNOWN_TARIFF, None),
    ],
)
def test_prices(
    provider: str, third_party: bool, billing: Billing, cost: float | None
) -> None:
    tariff = tariff_of(provider, third_party=third_party)
    assert tariff.billing is billing
    counts = {Charge.DATA: 1000, Charge.COMMANDS: 100, Charge.WAKES: 10}
    assert tariff.cost(counts) == (cost and pytest.approx(cost))
    if billing is Billing.BY_CALL:
        assert datetime.fromisoformat(tariff.since or "") < OCTOBER.replace(tzinfo=None)
        assert (tariff.source or "").startswith("https://")


@pytest.mark.parametrize(
    ("path", "charge"),
    [
        ("/api/1/vehicles/A/vehicle_data", Charge.DATA),
        ("/base/api/1/vehicles/A/vehicle_data", Charge.DATA),
        ("/api/1/vehicles/A/command/door_lock", Charge.COMMANDS),
        ("/api/1/vehicles/A/signed_command", Charge.COMMANDS),
        ("/api/1/vehicles/A/wake_up", Charge.WAKES),
        ("/A/state", Charge.DATA),
        ("/A/command/lock", Charge.COMMANDS),
        ("/A/wake", Charge.WAKES),
        ("/api/1/vehicles/A", None),
        ("/api/1/vehicles", None),
        ("/api/1/products", None),
        ("/api/1/users/region", None),
        ("/api/1/vehicles/fleet_status", None),
        ("/status", None),
    ],
)
def test_billed_requests(path: str, charge: Charge | None) -> None:
    assert charge_of(path) is charge


def test_month_starts_at_local_midnight() -> None:
    month = spending(data=7)
    assert not month.roll_month(datetime(2026, 10, 31, 23, 59, 59, tzinfo=HOME))
    assert month.counts[Charge.DATA] == 7
    assert month.roll_month(datetime(2026, 11, 1, tzinfo=HOME))
    assert (month.month, month.cost) == (datetime(2026, 11, 1, tzinfo=HOME), 0)
    month.add(Charge.WAKES, datetime(2026, 11, 30, 12, tzinfo=HOME))
    month.add(Charge.WAKES, datetime(2026, 12, 1, 12, tzinfo=HOME))
    assert month.counts == {Charge.WAKES: 1}
    assert end_of_month(datetime(2026, 12, 1, tzinfo=HOME)).year == 2027


def test_clock_set_back_starts_no_month() -> None:
    month = spending(data=7)
    assert not month.roll_month(datetime(1970, 1, 1, tzinfo=HOME))
    assert month.counts[Charge.DATA] == 7


def test_clock_that_was_ahead_keeps_the_calls_of_the_month() -> None:
    month = spending(data=7)
    month.add(Charge.DATA, datetime(2027, 3, 5, tzinfo=HOME))
    month.add(Charge.DATA, datetime(2026, 10, 20, tzinfo=HOME))
    assert month.month == datetime(2026, 10, 1, tzinfo=HOME)
    assert month.counts[Charge.DATA] == 9
    assert month.roll_month(datetime(2026, 11, 1, tzinfo=HOME))
    assert not month.counts


def test_clock_that_was_ahead_before_a_restart_stops_no_later_month() -> None:
    stored = StoredUsage(month="2027-03-01", counts={"data": 7})
    month = spending()
    month.restore_usage(stored, OCTOBER)
    month.add(Charge.DATA, OCTOBER)
    assert month.counts[Charge.DATA] == 8
    assert month.roll_month(datetime(2026, 11, 1, tzinfo=HOME))
    assert not month.counts
    assert month.month == datetime(2026, 11, 1, tzinfo=HOME)


@pytest.mark.parametrize(
    ("now", "counts"),
    [
        (datetime(2026, 10, 31, tzinfo=HOME), {Charge.DATA: 5, Charge.WAKES: 1}),
        # The clock is not set yet.
        (datetime(1970, 1, 1, tzinfo=HOME), {Charge.DATA: 5, Charge.WAKES: 1}),
        (datetime(2026, 11, 1, tzinfo=HOME), {}),
    ],
)
def test_usage_survives_a_restart(now: datetime, counts: dict[Charge, int]) -> None:
    before = spending(data=5)
    before.add(Charge.WAKES, OCTOBER)
    after = MonthlyUsage(tariff=TESLA, month=start_of_month(now))
    after.restore_usage(before.dump_usage(), now)
    assert after.counts == counts


@pytest.mark.parametrize("counts", [{"data": "many"}, {"more": 1}])
def test_invalid_stored_usage_is_ignored(counts: dict[str, Any]) -> None:
    stored = StoredUsage(month="2026-10-01", counts=counts)
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        spending().restore_usage(stored, OCTOBER)


@pytest.mark.parametrize(
    ("budget", "spent", "days", "factor", "thrift"),
    [
        (None, 100.0, 30, 1.0, BudgetState.NORMAL),
        (10, 0.0, 0, 1.0, BudgetState.NORMAL),
        (10, 5.0, 15.5, 1.0, BudgetState.NORMAL),
        (10, 2.0, 15.5, 1.0, BudgetState.NORMAL),
        # A hair's breadth is no reason.
        (10, 0.5, 0, 1.0, BudgetState.NORMAL),
        (10, 5.0, 0, 8.0, BudgetState.SLOWED),
        (10, 7.5, 15.5, 8.0, BudgetState.SLOWED),
        (10, 9.0, 0, 1000.0, BudgetState.SLOWED),
        (10, 10.0, 30, inf, BudgetState.STOPPED),
        (10, 11.0, 0, inf, BudgetState.STOPPED),
    ],
)
def test_budget_stretches_intervals(
    budget: float | None, spent: float, days: float, factor: float, thrift: BudgetState
) -> None:
    # Days of the clock on the wall: one of October's has an hour more.
    now = OCTOBER + timedelta(days=days)
    month = spending(budget, data=round(spent * 500))
    assert month.interval_factor(now) == pytest.approx(factor)
    assert month.budget_state(now) is thrift


def test_no_limit_without_prices() -> None:
    month = MonthlyUsage(
        tariff=tariff_of("tessie", third_party=True), month=OCTOBER, budget=1
    )
    month.counts[Charge.DATA] = 100_000
    assert not month.can_be_limited
    assert month.interval_factor(OCTOBER) == 1
    assert spending().can_be_limited


def test_credit_is_used_by_the_cost_of_all_calls() -> None:
    month = spending(data=500)
    month.counts.update({Charge.COMMANDS: 1000, Charge.WAKES: 25})
    assert month.credit_used == pytest.approx(0.25)
    assert spending(data=6000).credit_used == pytest.approx(1.2)
    for provider in ("teslemetry", "tessie", "compatible"):
        tariff = tariff_of(provider, third_party=True)
        assert MonthlyUsage(tariff=tariff, month=OCTOBER).credit_used is None


@pytest.mark.parametrize("times", [1.5, 3.0, 20.0])
@pytest.mark.parametrize("power", [1, 2])
def test_excessive_polling_is_slowed_but_not_stopped(times: float, power: int) -> None:
    """Poll so often that the budget would be spent `times` over without slowing."""
    month = spending(5.0)
    end = end_of_month(OCTOBER)
    usual = (end - OCTOBER) / (5.0 * 500 * times)
    now, slowest, at_half = OCTOBER, 1.0, 0.0
    while now < end - timedelta(hours=1):
        month.add(Charge.DATA, now)
        factor = month.interval_factor(now)
        assert factor < inf
        slowest = max(slowest, factor)
        if not at_half and now > OCTOBER + (end - OCTOBER) / 2:
            at_half = month.cost or 0.0
        now += usual * factor**power
    assert 2.5 < at_half < 4.5
    assert 4.9 < (month.cost or 0.0) <= 5.0
    assert times * 0.9 < slowest**power < times * 5


def test_polling_within_the_budget_is_never_slowed() -> None:
    month = spending(5.0)
    end = end_of_month(OCTOBER)
    now = OCTOBER
    while now < end:
        month.add(Charge.DATA, now)
        assert month.interval_factor(now) == 1
        now += (end - OCTOBER) / 2400
