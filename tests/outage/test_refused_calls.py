"""Refused calls of an account during an outage of Tesla."""

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK
from custom_components.keycard.outage.models import Status
from custom_components.keycard.outage.outage_log import NoticeType

from .home_helpers import (
    ADA,
    BO,
    ERROR,
    HOUR,
    LIMIT,
    SETTLED,
    change,
    notices,
    settle,
    status,
    statuses,
)

NOT_REGISTERED = '412 {"error":"Account must be registered in the current region."}'
REFUSALS = [LIMIT, NOT_REGISTERED, "retry-after:50400"]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("third_party", [False, True])
def test_refusals_do_not_end_an_outage_of_their_host(
    home: Home, refusal: str, third_party: bool
) -> None:
    settle(home, ADA, BO, third_party=third_party)
    change(home, {"na.status": "503 busy", "na.api": ERROR})
    home.run(SETTLED + 300)
    change(home, {"na.api": refusal})
    home.run(SETTLED + 3 * HOUR)
    assert statuses(home) == [Status.OUTAGE]
    change(home, {"na.status": OK})
    home.run(SETTLED + 4 * HOUR)

    assert statuses(home) == [Status.OUTAGE, Status.ACCOUNT_PROBLEM]
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_account_refused_before_gets_notices_of_an_outage(
    home: Home, refusal: str
) -> None:
    settle(home, ADA)
    change(home, {"na.api": refusal})
    home.run(SETTLED + HOUR)
    assert statuses(home) == [Status.ACCOUNT_PROBLEM]
    change(home, {"na.status": "503 busy"})
    home.run(SETTLED + 4 * HOUR)

    assert statuses(home) == [Status.ACCOUNT_PROBLEM, Status.OUTAGE]
    assert notices(home) == [NoticeType.TAKE]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_calls_refused_after_an_outage_do_not_prolong_it(
    home: Home, refusal: str
) -> None:
    settle(home, ADA, BO)
    change(home, {"na.status": "503 busy", "na.api": ERROR})
    home.run(SETTLED + 600)
    change(home, {"na.status": OK, "na.api": refusal})
    home.run(SETTLED + 2100)

    assert statuses(home) == [Status.OUTAGE, Status.ACCOUNT_PROBLEM]
    change(home, {"na.api": ERROR})
    home.run(SETTLED + 15 * HOUR)
    assert status(home) is Status.OUTAGE


def test_refusals_between_failures_end_nothing(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.api": ERROR})
    home.run(SETTLED + 300)
    for minute in range(60):
        change(home, {"na.api": "retry-after:60" if minute % 2 else ERROR})
        home.run(SETTLED + 300 + 60 * minute)

    assert statuses(home) == [Status.OUTAGE]


def test_one_car_that_refuses_excuses_no_other(home: Home) -> None:
    settle(home, ADA, BO)
    change(home, {"na.api": ERROR})
    home.run(SETTLED + 300)
    change(home, {"na.api@model3": '401 {"error":"mobile_access_disabled"}'})
    home.run(SETTLED + 2 * HOUR)

    assert status(home) is not Status.ACCOUNT_PROBLEM
    assert Status.OPERATIONAL not in statuses(home)
