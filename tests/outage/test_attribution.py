"""Attribution of failures between Tesla and a third party."""

from collections.abc import Mapping
from random import Random

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK, World
from custom_components.keycard.outage.models import Scope, Status, Subsystem

from .home_helpers import (
    ADA,
    BO,
    CY,
    ERROR,
    SETTLED,
    change,
    notices,
    settle,
    status,
    statuses,
)

GATEWAY = "502 <html>Bad gateway</html>"


@pytest.fixture(params=range(12))
def home(request: pytest.FixtureRequest) -> Home:
    """Return a home without entries; the random phase hardly matters."""
    seed: int = request.param
    return Home(World(random=Random(seed)))


@pytest.mark.parametrize(
    "failing",
    [
        {"na.status": "503 busy", "na.api": "503 busy"},
        {"na.status": "timeout", "na.api": "timeout"},
        {"na.status": "refuse", "na.api": ERROR},
    ],
)
def test_an_outage_of_tesla_is_never_attributed_to_the_third_party(
    home: Home, failing: Mapping[str, str]
) -> None:
    settle(home, ADA, third_party=True)
    change(home, failing)
    home.run(SETTLED + 900)
    assert statuses(home) == [Status.OUTAGE]
    # The host recovers first, or the calls do.
    change(home, dict.fromkeys(failing, OK))
    home.run(SETTLED + 1800)
    assert statuses(home) == [Status.OUTAGE, Status.OPERATIONAL]
    assert len(notices(home)) == 2


def test_a_sign_in_outage_after_an_outage_sends_no_all_clear(home: Home) -> None:
    settle(home, ADA, third_party=True)
    failing = {"all.status": "503 busy", "all.api": "503 busy"}
    change(home, {**failing, "auth.token": "timeout", "auth.authorize": "timeout"})
    home.run(SETTLED + 900)
    change(home, dict.fromkeys(failing, OK))
    home.run(SETTLED + 2400)
    assert statuses(home) == [Status.OUTAGE, Status.SIGN_IN_OUTAGE]
    assert len(notices(home)) == 1


def test_models_that_fail_after_an_outage_of_tesla_are_degraded(home: Home) -> None:
    settle(home, ADA, BO, CY, third_party=True)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 900)
    change(home, {"na.status": OK, "na.api": OK})
    change(home, {"na.api@model3": ERROR, "na.api@modely": ERROR})
    home.run(SETTLED + 2700)
    assessment = home.assessment
    assert (assessment.status, assessment.scope) == (Status.DEGRADED, Scope.MODEL)
    assert assessment.models == ("model3", "modely")
    assert assessment.subsystems == (Subsystem.API,)
    assert len(notices(home)) == 1


def test_failures_of_some_cars_are_no_outage(home: Home) -> None:
    # It is undetermined whether the third party or Tesla fails.
    settle(home, ADA, BO, third_party=True)
    change(home, {"na.api@model3": ERROR})
    home.run(SETTLED + 1800)
    assert statuses(home) in ([], [Status.OPERATIONAL])


def test_a_third_party_that_stays_down_after_tesla_recovers(home: Home) -> None:
    settle(home, ADA, third_party=True)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 900)
    change(home, {"na.status": OK, "na.api": OK, "proxy.api": GATEWAY})
    home.run(SETTLED + 2400)
    assert statuses(home) == [Status.OUTAGE, Status.PROVIDER_DOWN]
    change(home, {"proxy.api": OK})
    home.run(SETTLED + 3600)
    assert status(home) is Status.OPERATIONAL


def test_a_service_that_is_down_alone(home: Home) -> None:
    settle(home, ADA, third_party=True)
    change(home, {"proxy.api": GATEWAY})
    home.run(SETTLED + 600)
    assert statuses(home) == [Status.PROVIDER_DOWN]
    assert notices(home) == []
