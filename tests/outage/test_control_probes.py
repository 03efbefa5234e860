"""Control hosts and other regions as evidence for a working internet."""

from random import Random

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK, World
from custom_components.keycard.outage.models import MissingEvidence, Scope, Status

from .home_helpers import (
    BLOCKED,
    HOUR,
    SETTLED,
    change,
    notices,
    settle,
    status,
    statuses,
)


def test_without_unrelated_hosts_another_region_is_the_contrast(home: Home) -> None:
    home.without_unrelated()
    settle(home)
    change(home, {"na.status": "refuse"})
    home.run(SETTLED + 100)

    assert status(home) is Status.OUTAGE
    assert home.assessment.scope is Scope.REGION


@pytest.mark.parametrize("mode", ["refuse", "timeout"])
def test_without_unrelated_hosts_a_failure_everywhere_is_undetermined(
    home: Home, mode: str
) -> None:
    home.without_unrelated()
    settle(home)
    change(home, {"net": mode})
    home.run(SETTLED + HOUR)
    assert status(home) is Status.UNDETERMINED
    assert home.assessment.missing_evidence == (MissingEvidence.UNRELATED_ANSWER,)
    change(home, {"net": OK})
    home.run(SETTLED + HOUR + 400)

    assert statuses(home) == [Status.UNDETERMINED, Status.OPERATIONAL]


def test_control_hosts_that_never_answered_confirm_nothing(home: Home) -> None:
    change(home, {"controls": "refuse"})
    settle(home)
    change(home, {"all.status": "refuse"})
    home.run(SETTLED + HOUR)
    assert status(home) is Status.UNDETERMINED

    change(home, {"eu.status": OK, "cn.status": OK})
    home.run(SETTLED + HOUR + 600)
    assert status(home) is Status.OUTAGE


def test_one_unrelated_host_of_two_suffices(home: Home) -> None:
    change(home, {"controls2": "timeout"})
    settle(home)
    change(home, {"na.status": "503 busy"})
    home.run(SETTLED + 100)
    assert status(home) is Status.OUTAGE
    change(home, {"na.status": OK, "controls1": "refuse"})
    home.run(SETTLED + 500)
    assert status(home) is Status.OPERATIONAL
    change(home, {"net": "refuse"})
    home.run(SETTLED + 700)
    assert status(home) is Status.INTERNET_DOWN


@pytest.mark.parametrize("seed", range(5))
def test_a_block_that_a_failing_internet_interrupts_is_no_sign_in_outage(
    seed: int,
) -> None:
    home = Home(World(random=Random(seed)))
    settle(home)
    home.set("dns.tesla", BLOCKED)
    home.run(SETTLED + HOUR)
    home.set("net", "timeout")
    home.run(SETTLED + HOUR + 120)
    home.set("net", OK)
    home.run(SETTLED + 2 * HOUR)

    assert Status.SIGN_IN_OUTAGE not in statuses(home)
    assert notices(home) == []
