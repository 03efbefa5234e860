"""Region changes after a 421, and their limits."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.keycard.outage.region_moves import (
    Move,
    may_move,
    recent_moves,
    redirect_host,
)

NA = "https://fleet-api.prd.na.vn.cloud.tesla.com"
EU = "https://fleet-api.prd.eu.vn.cloud.tesla.com"
CN = "https://fleet-api.prd.cn.vn.cloud.tesla.cn"
HOSTS = (NA, EU, CN)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (f"user out of region, use base URL: {EU}, see {EU}/docs", EU),
        (f"use base URL: {EU}/, see the documentation", EU),
        (f"use base URL: {EU.upper()}.", EU),
        (f'{{"error":"you are at {NA}, use {EU}"}}', EU),
        (f"you are at {NA}", None),
        (f"{EU} or {CN}", None),
        (f"{EU}.evil.example", None),
        (f"https://evil.example/?u={EU[8:]}", None),
        ("https://evil.example", None),
        ("", None),
    ],
)
def test_only_a_host_of_tesla_s_is_named(body: str, named: str | None) -> None:
    assert redirect_host(body, HOSTS, current=NA) == named


@pytest.mark.parametrize(
    ("left", "ago", "allowed"),
    [
        (CN, timedelta(minutes=59), False),
        (CN, timedelta(minutes=61), True),
        (EU, timedelta(hours=23), False),
        (EU, timedelta(hours=24), True),
        (CN, timedelta(hours=-5), False),
    ],
)
def test_one_move_an_hour_and_none_back_within_a_day(
    left: str, ago: timedelta, allowed: bool
) -> None:
    assert may_move(EU, [Move(left=left, at=NOW - ago)], NOW) is allowed


def test_the_first_move_is_free_and_old_ones_are_forgotten() -> None:
    assert may_move(EU, [], NOW)
    fresh = Move(left=NA, at=NOW - timedelta(hours=2))
    old = Move(left=NA, at=NOW - timedelta(days=2))
    assert recent_moves([old, fresh], NOW) == [fresh]


def test_moves_of_a_clock_that_was_a_year_ahead_are_forgotten() -> None:
    ahead = Move(left=EU, at=NOW + timedelta(days=365))
    assert recent_moves([ahead], NOW) == []
