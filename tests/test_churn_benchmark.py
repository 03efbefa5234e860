"""The benchmark of a day of churn: its curves, and what counts as growth."""

import pytest

from benchmarks.churn import LIMITS, curve, grown


def samples(**changes: list[float]) -> list[dict[str, float]]:
    """Return 48 samples in which nothing changes but the given sizes."""
    flat = dict.fromkeys(LIMITS, 1000.0)
    return [
        {**flat, **{name: values[number] for name, values in changes.items()}}
        for number in range(48)
    ]


def test_what_fluctuates_has_not_grown() -> None:
    wavy = [1000.0 + number % 4 for number in range(48)]
    filled = [min(number, 10) * 100.0 for number in range(48)]
    assert list(grown(samples(tasks=wavy, timers=filled))) == []


@pytest.mark.parametrize("name", LIMITS)
def test_a_leak_of_each_kind_is_found(name: str) -> None:
    leak = [1000.0 + 10 * number for number in range(48)]
    found = list(grown(samples(**{name: leak})))
    assert found == [f"{name} grew from 1175 to 1415"]


def test_a_curve_begins_at_zero() -> None:
    assert curve([0.0] * 48) == "▁" * 48
    assert curve([0.0, 1.0, 8.0]) == "▁▂█"
    assert curve([8.0] * 96) == "█" * 48
