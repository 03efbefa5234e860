"""The measurement of a million homes at Tesla's hosts."""

from benchmarks.million_homes import BUCKET, Phase, phases, simulate


def rate(phase: Phase, seed: int) -> float:
    """Return the requests per bucket of a home in a phase."""
    load = simulate(seed, "refuse")
    buckets = range(int(phase.start // BUCKET), int(phase.end // BUCKET))
    return sum(
        count for (bucket, _), count in load.requests.items() if bucket in buckets
    ) / len(buckets)


def test_an_outage_costs_more_and_its_end_does_not() -> None:
    """A home asks more in an outage, and as at rest after it."""
    rest, begins, lasts, _, after = (rate(phase, seed=5) for phase in phases())

    assert begins > lasts > rest
    assert abs(after - rest) < 0.2 * rest


def test_a_suspicion_costs_a_few_probes() -> None:
    """One failed probe is followed by a series, which ends."""
    load = simulate(5, "hang")

    (suspected,), (usual,) = load.suspected, load.usual
    assert usual < suspected <= usual + 10
