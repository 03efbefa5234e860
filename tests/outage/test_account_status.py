"""Problems of an account, and their end."""

import pytest

from custom_components.keycard.outage.account import (
    LIMIT_PAUSE,
    RATE_PAUSE,
    RATE_PAUSE_MOST,
    AccountStatus,
    Category,
)
from custom_components.keycard.outage.evidence import (
    Classification,
    Evidence,
    Reason,
    RequestType,
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
    kind: RequestType = RequestType.CALL,
) -> Evidence:
    return Evidence(
        classification=Classification(
            subject=subject, verdict=Verdict.BAD, reason=reason
        ),
        sent_at=at,
        at=at + 0.1,
        vehicle_id=car,
        retry_after=retry_after,
        request_type=kind,
    )


def good(
    at: float,
    *,
    subject: Subject = Subject.API,
    car: str | None = "Ada",
    kind: RequestType = RequestType.CALL,
) -> Evidence:
    return Evidence(
        classification=Classification(
            subject=subject, verdict=Verdict.GOOD, reason=Reason.OK
        ),
        sent_at=at,
        at=at + 0.1,
        vehicle_id=car,
        request_type=kind,
    )


def account_of(*cars: str) -> AccountStatus:
    return AccountStatus(vehicle_ids=cars or ("Ada",))


def paused(
    account: AccountStatus, category: Category, car: str | None = "Ada"
) -> float:
    return account.pause(category, car)[0]


def reason(account: AccountStatus) -> Reason | None:
    return account.reason


def proven(account: AccountStatus) -> bool:
    return account.auth_invalid


def lasting(account: AccountStatus) -> bool:
    return account.persistent


@pytest.mark.parametrize(
    ("reason", "retry_after", "pause"),
    [
        (Reason.RATE_LIMITED, 50400.0, 50400.0),
        (Reason.RATE_LIMITED, 5.0, 5.0),
        (Reason.RATE_LIMITED, None, RATE_PAUSE),
        (Reason.BILLING_LIMIT, None, LIMIT_PAUSE),
        (Reason.FORBIDDEN, None, LIMIT_PAUSE),
        (Reason.NOT_REGISTERED, None, LIMIT_PAUSE),
        (Reason.WRONG_REGION, None, LIMIT_PAUSE),
        (Reason.MOBILE_ACCESS, None, 0.0),
    ],
)
def test_a_refusal_pauses(
    reason: Reason, retry_after: float | None, pause: float
) -> None:
    account = account_of()
    account.observe_answer(refused(reason, 1000.0, retry_after=retry_after))

    assert account.reason is reason
    assert paused(account, Category.CALLS) == pytest.approx(1000.1 + pause)
    account.observe_answer(good(2000.0))
    assert account.reason is None


def test_a_shorter_pause_shortens_none() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.RATE_LIMITED, 100.0, retry_after=5000.0))
    account.observe_answer(refused(Reason.BILLING_LIMIT, 200.0))

    assert paused(account, Category.CALLS) == pytest.approx(5100.1)
    assert paused(account, Category.COMMANDS) == pytest.approx(200.1 + LIMIT_PAUSE)


@pytest.mark.parametrize(
    ("kind", "car", "hit", "spared"),
    [
        (
            RequestType.DATA,
            "Ada",
            [(Category.DATA, "Ada")],
            [
                (Category.DATA, "Bo"),
                (Category.CALLS, "Ada"),
                (Category.WAKES, "Ada"),
                (Category.COMMANDS, "Ada"),
            ],
        ),
        (
            RequestType.WAKE,
            "Ada",
            [(Category.WAKES, "Ada")],
            [(Category.COMMANDS, "Ada"), (Category.WAKES, "Bo")],
        ),
        (
            RequestType.COMMAND,
            "Ada",
            [(Category.COMMANDS, "Ada")],
            [(Category.COMMANDS, "Bo"), (Category.DATA, "Ada")],
        ),
        (
            RequestType.CALL,
            None,
            [(Category.CALLS, None), (Category.CALLS, "Bo"), (Category.DATA, "Bo")],
            [(Category.WAKES, "Ada"), (Category.COMMANDS, "Ada")],
        ),
    ],
)
def test_a_limit_pauses_its_category_and_vehicle(
    kind: RequestType,
    car: str | None,
    hit: list[tuple[Category, str | None]],
    spared: list[tuple[Category, str | None]],
) -> None:
    account = account_of("Ada", "Bo")
    account.observe_answer(
        refused(Reason.RATE_LIMITED, 0.0, kind=kind, car=car, retry_after=37829.0)
    )

    assert [paused(account, *one) for one in hit] == pytest.approx([37829.1] * len(hit))
    assert max(paused(account, *one) for one in spared) <= 0.0
    assert account.refusal_of("Ada") is None


def test_limits_without_a_hint_double_up_to_a_quarter_of_an_hour() -> None:
    account, at, pauses = account_of(), 0.0, []
    for _ in range(7):
        account.observe_answer(refused(Reason.RATE_LIMITED, at, kind=RequestType.DATA))
        # A second refusal of calls sent before the first does not extend the pause.
        account.observe_answer(
            refused(Reason.RATE_LIMITED, at + 1, kind=RequestType.DATA)
        )
        until = paused(account, Category.DATA)
        pauses.append(round(until - at))
        at = until + 1

    assert pauses == [60, 120, 240, 480, 900, 900, 900]
    account.observe_answer(good(at, kind=RequestType.DATA))
    account.observe_answer(refused(Reason.RATE_LIMITED, at + 5, kind=RequestType.DATA))
    assert paused(account, Category.DATA) == pytest.approx(at + 5.1 + RATE_PAUSE)


@pytest.mark.parametrize(("after", "reason"), [(0, Reason.RATE_LIMITED), (1, None)])
def test_a_limit_that_is_over_is_no_problem_any_more(
    after: float, reason: Reason | None
) -> None:
    account = account_of()
    account.observe_answer(refused(Reason.RATE_LIMITED, 0.0, kind=RequestType.DATA))
    assert account.reason is Reason.RATE_LIMITED
    account.expire_limits(RATE_PAUSE + RATE_PAUSE_MOST + after)
    assert account.reason is reason


def test_one_vehicle_that_is_refused_is_not_the_account() -> None:
    account = account_of("Ada", "Cy")
    account.observe_answer(
        refused(Reason.FORBIDDEN, 0.0, kind=RequestType.DATA, car="Cy")
    )
    account.observe_answer(good(10.0, car="Cy"))
    assert reason(account) is None
    assert account.refused_vehicles() == {}
    account.observe_answer(
        refused(Reason.FORBIDDEN, 1000.0, kind=RequestType.DATA, car="Cy")
    )
    assert account.refused_vehicles() == {"Cy": Reason.FORBIDDEN}
    assert account.refusal_of("Cy") is None
    # Now the calls of all vehicles are refused.
    account.observe_answer(
        refused(Reason.FORBIDDEN, 1100.0, kind=RequestType.DATA, car="Ada")
    )
    assert reason(account) is None
    account.observe_answer(refused(Reason.FORBIDDEN, 1110.0, car="Ada"))
    assert reason(account) is None
    account.observe_answer(refused(Reason.FORBIDDEN, 1120.0, car="Cy"))
    assert reason(account) is Reason.FORBIDDEN
    account.observe_answer(good(1200.0, car="Ada"))
    assert reason(account) is None
    account.forget_vehicle("Cy")
    assert account.refused_vehicles() == {}


def test_a_refused_call_for_the_account_is_the_account_s() -> None:
    account = account_of("Ada", "Cy")
    account.observe_answer(refused(Reason.FORBIDDEN, 0.0, car=None))
    assert reason(account) is Reason.FORBIDDEN
    assert account.refusal_of("Ada") is Reason.FORBIDDEN
    account.observe_answer(good(1000.0, car="Cy"))
    assert reason(account) is None


def test_a_refused_command_is_reported_to_its_sender() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.FORBIDDEN, 0.0, kind=RequestType.COMMAND))

    assert reason(account) is None
    assert paused(account, Category.COMMANDS) <= 1.0


def test_refusals_of_single_vehicles_survive_a_restart() -> None:
    account = account_of("Ada", "Cy")
    account.observe_answer(
        refused(Reason.RATE_LIMITED, 0.0, kind=RequestType.DATA, retry_after=1000.0)
    )
    later = account_of("Ada", "Cy")
    later.restore_refusals(account.dump_refusals(100.0), monotonic=5.0, away=300.0)

    assert paused(later, Category.DATA) == pytest.approx(605.1)
    assert paused(later, Category.DATA, "Cy") <= 5.0
    assert later.reason is None


def test_data_stored_by_an_earlier_version_are_restored() -> None:
    account = account_of()
    account.restore_refusals(
        {"reason": "limit", "paused": 100.0}, monotonic=5.0, away=10.0
    )

    assert reason(account) is Reason.BILLING_LIMIT
    assert account.paused_until == pytest.approx(95.0)


def test_an_answer_to_an_earlier_call_clears_no_error() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.BILLING_LIMIT, 100.0))
    account.observe_answer(good(99.0))

    assert reason(account) is Reason.BILLING_LIMIT


def test_only_calls_lift() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.BILLING_LIMIT, 100.0))
    account.observe_answer(good(200.0, subject=Subject.AUTH))

    assert reason(account) is Reason.BILLING_LIMIT


def test_one_car_without_mobile_access_is_not_excused_by_another() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.MOBILE_ACCESS, 100.0, car="Ada"))
    account.observe_answer(good(200.0, car="Bo"))
    assert reason(account) is Reason.MOBILE_ACCESS
    account.observe_answer(good(300.0, car="Ada"))
    assert reason(account) is None


def test_one_car_of_several_without_mobile_access_is_not_the_account() -> None:
    account = account_of("Ada", "Bo")
    account.observe_answer(refused(Reason.MOBILE_ACCESS, 100.0, car="Ada"))
    assert reason(account) is None
    account.observe_answer(refused(Reason.MOBILE_ACCESS, 100.0, car="Bo"))
    assert reason(account) is Reason.MOBILE_ACCESS


def test_unanswered_calls_are_no_account_problem() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.CLOUD_FAILS, 100.0, subject=Subject.API))

    assert reason(account) is None
    assert paused(account, Category.CALLS) == 0.0


def test_login_required_is_proven_by_a_healthy_sign_in() -> None:
    account = account_of()
    assert account.observe_answer(refused(Reason.SIGN_IN, 100.0))
    account.evaluate_auth(sign_in_healthy=False)
    assert not proven(account)
    account.evaluate_auth(sign_in_healthy=True)
    assert proven(account)
    assert reason(account) is Reason.SIGN_IN
    account.observe_answer(good(200.0))
    assert not proven(account)
    assert reason(account) is None


def test_a_plain_refusal_must_repeat() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.UNAUTHORIZED, 100.0, subject=Subject.AUTH))
    account.evaluate_auth(sign_in_healthy=True)
    assert not proven(account)
    account.observe_answer(refused(Reason.UNAUTHORIZED, 140.0, subject=Subject.AUTH))
    account.evaluate_auth(sign_in_healthy=True)
    assert proven(account)


def test_a_good_call_in_between_takes_a_refusal_back() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.UNAUTHORIZED, 100.0, subject=Subject.AUTH))
    account.observe_answer(good(120.0))
    account.observe_answer(refused(Reason.UNAUTHORIZED, 140.0, subject=Subject.AUTH))
    account.evaluate_auth(sign_in_healthy=True)

    assert not proven(account)
    assert account.auth_refused_at == pytest.approx(140.1)


def test_an_account_without_refusals_has_no_confirmed_problem() -> None:
    account = account_of()
    account.evaluate_auth(sign_in_healthy=True)

    assert not proven(account)


def test_a_problem_is_persistent_once_repeated() -> None:
    account = account_of()
    assert not lasting(account)
    account.observe_answer(refused(Reason.BILLING_LIMIT, 0.0))
    account.observe_answer(refused(Reason.BILLING_LIMIT, RATE_PAUSE - 1))
    assert not lasting(account)
    account.observe_answer(refused(Reason.BILLING_LIMIT, LIMIT_PAUSE))
    assert lasting(account)
    # Another problem starts anew, and so does one that was cleared.
    account.observe_answer(refused(Reason.FORBIDDEN, LIMIT_PAUSE + 1))
    assert not lasting(account)
    account.observe_answer(refused(Reason.FORBIDDEN, 2 * LIMIT_PAUSE + 1))
    assert lasting(account)
    account.observe_answer(good(3 * LIMIT_PAUSE))
    assert not lasting(account)
    account.observe_answer(refused(Reason.FORBIDDEN, 3 * LIMIT_PAUSE + 1))
    assert not lasting(account)


def test_a_problem_is_persistent_though_a_vehicle_is_refused_later() -> None:
    account = account_of("Ada", "Cy")
    for at in (0.0, 900.0):
        account.observe_answer(refused(Reason.FORBIDDEN, at))
    assert reason(account) is None
    assert account.refused_vehicles() == {"Ada": Reason.FORBIDDEN}
    account.observe_answer(refused(Reason.FORBIDDEN, 910.0, car="Cy"))
    assert reason(account) is Reason.FORBIDDEN
    assert lasting(account)


def test_a_problem_of_before_a_restart_is_named_again_once() -> None:
    account = account_of()
    account.observe_answer(refused(Reason.BILLING_LIMIT, 0.0))
    later = account_of()
    later.restore_refusals(account.dump_refusals(1.0), monotonic=5.0, away=10.0)
    assert later.reason is Reason.BILLING_LIMIT
    assert not lasting(later)
    later.observe_answer(refused(Reason.BILLING_LIMIT, LIMIT_PAUSE))
    assert lasting(later)
