"""Each row of the table of answers: at start, while running, and at a command."""

from dataclasses import dataclass

import pytest

from homeassistant.helpers.issue_registry import IssueSeverity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from tests.config_entries import PROVIDERS, SERVICES, provider_entry

from .home import (
    LOCK,
    HomeUnderTest,
    assert_available,
    assert_explained,
    assert_no_errors,
    status_of,
)
from .repairs import assert_only_repair, repairs

FAILS = "outage"
FINE = "operational"
ACCOUNT = "account_problem"
UPTIME = "sensor.tesla_cloud_uptime_30_days"

TESLA = tuple(provider for provider in PROVIDERS if provider not in SERVICES)


def is_third_party(provider: str) -> bool:
    """Return whether calls go to a third party."""
    return provider in SERVICES


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer of the cloud to all calls, and its consequences.

    `status` is the assessment after five minutes; `error` the error of a command sent
    after `after` seconds, None if it is executed; `reauth` whether a new sign-in is
    requested; `repair` the key of the repair, None if there is none.
    """

    answer: str
    status: str
    error: str | None
    reauth: int = 0
    executed: int = 0
    subjects: tuple[str, ...] = ("eu.api",)
    after: float = 0.0
    repair: str | None = None

    def play(self, simulator: Simulator, provider: str) -> None:
        """Set the answer of the provider."""
        simulator.apply(dict.fromkeys(self._subjects(provider), self.answer))

    def expected_status(self, provider: str) -> str:
        """Return the expected status: if Tesla answers, the third party is at fault."""
        return (
            "provider_down"
            if self.status == FAILS and is_third_party(provider)
            else (self.status)
        )

    def _subjects(self, provider: str) -> tuple[str, ...]:
        return (f"{provider}.api",) if is_third_party(provider) else self.subjects

    async def end(
        self,
        home: HomeUnderTest,
        entry: MockConfigEntry,
        provider: str,
        lock: str | None = None,
    ) -> None:
        """Reset all conditions; soon after the requested pause all is well again.

        `lock` is the state that the lock has then, if it is known.
        """

        def is_well() -> bool:
            return (
                status_of(entry) == "operational"
                and lock in {None, home.states().get(LOCK)}
                and repairs(home) == {}
            )

        home.simulator.apply(dict.fromkeys(self._subjects(provider), "ok"))
        pause = self.answer.removeprefix("retry-after:")
        await home.until(is_well, 960 + (float(pause) if pause.isdigit() else 60))
        await home.run(65)
        assert is_well()
        assert_available(home)


CASES = {
    "500": Case(
        answer='500 {"error":"upstream internal error"}',
        status=FAILS,
        error="command_unconfirmed",
    ),
    "502 html": Case(
        answer="502 <html><body>Bad gateway</body></html>",
        status=FAILS,
        error="command_unconfirmed",
    ),
    "503 maintenance": Case(
        answer="503 Server Maintenance", status=FAILS, error="command_unconfirmed"
    ),
    "504": Case(answer="504", status=FAILS, error="command_unconfirmed"),
    "520": Case(answer="520 web server", status=FAILS, error="command_unconfirmed"),
    "500 asleep": Case(
        answer='500 {"error":"vehicle is offline or asleep"}',
        status=FINE,
        error="car_asleep",
    ),
    "408": Case(
        answer='408 {"error":"vehicle unavailable"}', status=FINE, error="car_asleep"
    ),
    "540": Case(answer="540", status=FINE, error="command_unconfirmed"),
    "405": Case(
        answer='405 {"error":"vehicle is currently in service"}',
        status=FINE,
        error="in_service",
    ),
    "401 login": Case(
        answer='401 {"error":"login_required"}',
        status=ACCOUNT,
        error="sign_in_needed",
        reauth=1,
    ),
    "401": Case(
        answer='401 {"error":"token expired (401)"}',
        status=ACCOUNT,
        error="sign_in_needed",
        reauth=1,
    ),
    "401 mobile access": Case(
        answer='401 {"error":"mobile_access_disabled"}',
        status=ACCOUNT,
        error="mobile_access_disabled",
    ),
    "402": Case(
        answer="402 payment",
        status=ACCOUNT,
        error="payment_needed",
        repair="payment_needed",
    ),
    "402 for a car": Case(
        answer='402 {"error":"vehicle_subscription_required"}',
        status=FINE,
        error="payment_needed",
        repair="car_payment_needed",
    ),
    "403 limit": Case(
        answer='403 {"error":"account disabled: EXCEEDED_LIMIT"}',
        status=ACCOUNT,
        error="billing_limit",
        repair="billing_limit",
    ),
    "403 policy": Case(
        answer='403 {"error":"forbidden, see fleet-api"}',
        status=ACCOUNT,
        error="cloud_refused",
        repair="account_refused",
    ),
    "403 html": Case(
        answer="403 <html>denied</html>", status=FINE, error="network_in_the_way"
    ),
    "412": Case(
        answer='412 {"error":"account must be registered"}',
        status=ACCOUNT,
        error="not_registered",
        repair="not_registered",
    ),
    "421": Case(
        answer='421 {"error":"user out of region"}',
        status=ACCOUNT,
        error="wrong_region",
        repair="wrong_region",
    ),
    "429": Case(answer="retry-after:3600", status=ACCOUNT, error="rate_limited"),
    "portal": Case(answer="portal", status=FINE, error="command_unconfirmed"),
    "302": Case(
        answer="302 http://portal.invalid/", status=FINE, error="network_in_the_way"
    ),
    "404": Case(answer="404 not found", status=FINE, error="not_supported"),
    "garbage": Case(
        answer="garbage", status=FAILS, error="command_unconfirmed", executed=1
    ),
    "null": Case(answer="200 null", status=FAILS, error="command_unconfirmed"),
    "list": Case(answer="200 [1]", status=FAILS, error="command_unconfirmed"),
    "odd": Case(
        answer='200 {"response":[{"vin":5},7,{"vin":null}]}',
        status=FAILS,
        error="command_unconfirmed",
    ),
    "refuse": Case(
        answer="refuse",
        status=FAILS,
        error="cloud_unreachable",
        subjects=("eu.api", "eu.status"),
        # An open connection is dropped first: the result of its command is unknown.
        after=90,
    ),
    "reset": Case(
        answer="reset", status=FAILS, error="command_unconfirmed", executed=1
    ),
    "timeout": Case(answer="timeout", status=FAILS, error="command_unconfirmed"),
    "empty": Case(answer="empty", status=FINE, error=None, executed=1),
}


def each_case(*, restart: bool) -> pytest.MarkDecorator:
    """Parametrize a test with each case, from Tesla and from a third party.

    Whose answer it is decides its meaning: of the two providers of each kind, one
    gives it while running, and the other at a restart.
    """
    return pytest.mark.parametrize(
        ("case", "provider"),
        [
            pytest.param(case, provider, id=f"{name}-{provider}")
            for number, (name, case) in enumerate(CASES.items())
            for of_kind in (TESLA, SERVICES)
            for provider in [of_kind[(number + restart) % len(of_kind)]]
        ],
    )


# By error of an unlock. An unconfirmed one may have been executed: no state is claimed.
_STATES_AFTER = {None: "unlocked", "command_unconfirmed": "unknown"}


@each_case(restart=False)
async def test_while_running_and_at_a_command(
    home: HomeUnderTest,
    caplog: pytest.LogCaptureFixture,
    case: Case,
    provider: str,
) -> None:
    entry = await provider_entry(home.hass, home.simulator, provider)
    await home.set_up_operational(entry)
    car = home.simulator.cars["Ada"]
    car.executed.clear()
    case.play(home.simulator, provider)

    await home.run(case.after)
    error = await home.perform("unlock")
    assert (error and error.translation_key) == case.error
    if error is not None:
        assert_explained(error)
    assert car.executed["door_unlock"] == case.executed
    shown = home.hass.states.get(LOCK)
    assert shown is not None
    assert shown.state == _STATES_AFTER.get(case.error, "locked")

    await home.run(300)
    assert status_of(entry) == case.expected_status(provider)
    assert car.executed["door_unlock"] == case.executed
    assert home.reauths() == case.reauth
    assert_available(home)
    assert_no_errors(caplog)

    # The cloud works again, and the state of the car is shown.
    await case.end(home, entry, provider, "unlocked" if case.executed else "locked")
    assert_no_errors(caplog)


@each_case(restart=True)
async def test_at_the_first_start_and_at_a_restart(
    home: HomeUnderTest,
    caplog: pytest.LogCaptureFixture,
    case: Case,
    provider: str,
) -> None:
    entry = await provider_entry(home.hass, home.simulator, provider)
    case.play(home.simulator, provider)
    await home.set_up(entry)
    await home.run(300)
    assert status_of(entry) in {
        case.expected_status(provider),
        "operational",
        "undetermined",
    }
    assert_available(home)
    assert_no_errors(caplog)

    await case.end(home, entry, provider, "locked")
    assert_no_errors(caplog)

    before = home.states()
    case.play(home.simulator, provider)
    await home.restart(entry)
    after = home.states()
    gone = {one for one in before if before[one] != after[one]}
    if before[UPTIME] == "unknown":
        # The hour after which it is known may be over at any moment.
        gone.discard(UPTIME)
    # Unknown after a restart: whether a car is online, and whether calls work.
    assert gone <= {
        f"binary_sensor.{car}_{what}"
        for car in ("ada", "cy")
        for what in ("online", "cloud_link")
    } | {
        "binary_sensor.tesla_cloud_api_reachable",
        "sensor.ada_connection",
        "sensor.cy_connection",
    }
    await home.run(300)
    assert status_of(entry) == case.expected_status(provider)
    assert home.reauths() == case.reauth
    assert_available(home)
    assert_no_errors(caplog)
    assert home.states()[LOCK] == "locked"

    await check_repairs(home, entry, case)
    await case.end(home, entry, provider)
    assert_no_errors(caplog)


async def check_repairs(
    home: HomeUnderTest, entry: MockConfigEntry, case: Case
) -> None:
    """Check the repair of an answer that needs the user, now and later."""
    account = case.repair not in {None, "car_payment_needed"}
    # A single account error may pass: it counts when repeated after the pause.
    expected = {case.repair} if case.repair and not account else set()
    assert set(repairs(home)) == expected
    await home.skip(1200)
    if case.repair is None:
        assert repairs(home) == {}
    else:
        assert_only_repair(home, entry, case.repair)
        severity = IssueSeverity.ERROR if account else IssueSeverity.WARNING
        assert repairs(home)[case.repair].severity is severity
