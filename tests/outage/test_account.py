"""What the maker holds against an account, and what lifts it."""

import pytest

from custom_components.keycard.outage.account import LIMIT_PAUSE, RATE_PAUSE, Account
from custom_components.keycard.outage.evidence import (
    Evidence,
    Meaning,
    Reason,
    Subject,
    Verdict,
)


def refused(
    reason: Reason,
    at: float,
    *,
    subject: Subject = Subject.ACCOUNT,
    car: str | None = "Ada",
    retry_after: float | None = None,
) -> Evidence:
    return Evidence(
        meaning=Meaning(subject=subject, verdict=Verdict.BAD, reason=reason),
        asked_at=at,
        at=at + 0.1,
        car=car,
        retry_after=retry_after,
    )


def good(at: float, *, subject: Subject = Subject.API, car: str = "Ada") -> Evidence:
    return Evidence(
        meaning=Meaning(subject=subject, verdict=Verdict.GOOD, reason=Reason.OK),
        asked_at=at,
        at=at + 0.1,
        car=car,
    )


def proven(account: Account) -> bool:
    return account.proven


def lasting(account: Account) -> bool:
    return account.lasting


@pytest.mark.parametrize(
    ("reason", "retry_after", "pause"),
    [
        (Reason.RATE_LIMITED, 50400.0, 50400.0),
        (Reason.RATE_LIMITED, 5.0, 5.0),
        (Reason.RATE_LIMITED, None, RATE_PAUSE),
        (Reason.LIMIT, None, LIMIT_PAUSE),
        (Reason.POLICY, None, LIMIT_PAUSE),
        (Reason.NOT_REGISTERED, None, LIMIT_PAUSE),
        (Reason.WRONG_REGION, None, LIMIT_PAUSE),
        (Reason.MOBILE_ACCESS, None, 0.0),
    ],
)
def test_a_refusal_pauses(
    reason: Reason, retry_after: float | None, pause: float
) -> None:
    account = Account()
    account.observe(refused(reason, 1000.0, retry_after=retry_after))

    assert account.reason is reason
    assert account.paused_until == pytest.approx(max(0.0, 1000.1 + pause))
    account.observe(good(2000.0))
    assert account.reason is None


def test_a_shorter_pause_shortens_none() -> None:
    account = Account()
    account.observe(refused(Reason.RATE_LIMITED, 100.0, retry_after=5000.0))
    account.observe(refused(Reason.LIMIT, 200.0))

    assert account.paused_until == pytest.approx(5100.1)


def test_an_answer_to_an_earlier_call_lifts_nothing() -> None:
    account = Account()
    account.observe(refused(Reason.LIMIT, 100.0))
    account.observe(good(99.0))

    assert account.reason is Reason.LIMIT


def test_only_calls_lift() -> None:
    account = Account()
    account.observe(refused(Reason.LIMIT, 100.0))
    account.observe(good(200.0, subject=Subject.AUTH))

    assert account.reason is Reason.LIMIT


def test_one_car_without_mobile_access_is_not_excused_by_another() -> None:
    account = Account()
    account.observe(refused(Reason.MOBILE_ACCESS, 100.0, car="Ada"))
    account.observe(good(200.0, car="Bo"))
    assert account.reason is Reason.MOBILE_ACCESS
    account.observe(good(300.0, car="Ada"))
    assert account.reason is None


def test_what_the_cloud_does_not_answer_is_held_against_nobody() -> None:
    account = Account()
    account.observe(refused(Reason.CLOUD_FAILS, 100.0, subject=Subject.API))

    assert account.reason is None
    assert account.paused_until == 0.0


def test_login_required_is_proven_by_a_healthy_sign_in() -> None:
    account = Account()
    assert account.observe(refused(Reason.SIGN_IN, 100.0))
    account.weigh(sign_in_healthy=False)
    assert not proven(account)
    account.weigh(sign_in_healthy=True)
    assert proven(account)
    assert account.reason is Reason.SIGN_IN
    account.observe(good(200.0))
    assert not proven(account)
    assert account.reason is None


def test_a_plain_refusal_must_repeat() -> None:
    account = Account()
    account.observe(refused(Reason.UNAUTHORIZED, 100.0, subject=Subject.AUTH))
    account.weigh(sign_in_healthy=True)
    assert not proven(account)
    account.observe(refused(Reason.UNAUTHORIZED, 140.0, subject=Subject.AUTH))
    account.weigh(sign_in_healthy=True)
    assert proven(account)


def test_a_good_call_in_between_takes_a_refusal_back() -> None:
    account = Account()
    account.observe(refused(Reason.UNAUTHORIZED, 100.0, subject=Subject.AUTH))
    account.observe(good(120.0))
    account.observe(refused(Reason.UNAUTHORIZED, 140.0, subject=Subject.AUTH))
    account.weigh(sign_in_healthy=True)

    assert not proven(account)
    assert account.first_refused == pytest.approx(140.1)


def test_nothing_is_proven_without_a_refusal() -> None:
    account = Account()
    account.weigh(sign_in_healthy=True)

    assert not proven(account)


def test_a_problem_lasts_once_it_is_named_again() -> None:
    account = Account()
    assert not lasting(account)
    account.observe(refused(Reason.LIMIT, 0.0))
    account.observe(refused(Reason.LIMIT, RATE_PAUSE - 1))
    assert not lasting(account)
    account.observe(refused(Reason.LIMIT, LIMIT_PAUSE))
    assert lasting(account)
    # Another one begins anew, and so does one that was lifted.
    account.observe(refused(Reason.POLICY, LIMIT_PAUSE + 1))
    assert not lasting(account)
    account.observe(refused(Reason.POLICY, 2 * LIMIT_PAUSE + 1))
    assert lasting(account)
    account.observe(good(3 * LIMIT_PAUSE))
    assert not lasting(account)
    account.observe(refused(Reason.POLICY, 3 * LIMIT_PAUSE + 1))
    assert not lasting(account)


def test_a_problem_of_before_a_restart_is_named_again_once() -> None:
    account = Account()
    account.observe(refused(Reason.LIMIT, 0.0))
    later = Account()
    later.restore(account.dump(1.0), now=5.0, away=10.0)
    assert later.reason is Reason.LIMIT
    assert not lasting(later)
    later.observe(refused(Reason.LIMIT, LIMIT_PAUSE))
    assert lasting(later)
