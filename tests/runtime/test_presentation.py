"""Connection of a vehicle, or the reason why there is none."""

from typing import Any

import pytest

from custom_components.keycard.outage.evidence import (
    Classification,
    Evidence,
    Reason,
    Subject,
    Verdict,
)
from custom_components.keycard.outage.models import Assessment, Status
from custom_components.keycard.runtime.presentation import (
    NEARLY_EMPTY,
    CloudAccess,
    Connection,
    cloud_connection,
    count_payment_errors,
    mobile_access_enabled,
    reachable,
)
from custom_components.keycard.vehicle.state import ConnectivityState, VehicleState

ADA = "LRW3F7EK4NC700000"
BO = "LRWYGDEK4NC700000"
OFFLINE = {"presence": ConnectivityState.OFFLINE}


def judged(status: Status, affected: frozenset[str] | None = frozenset()) -> Assessment:
    return Assessment(status=status, affected=affected)


@pytest.mark.parametrize(
    ("status", "given", "connection"),
    [
        (Status.OPERATIONAL, {}, Connection.CLOUD),
        # The cloud works: the state of the car counts.
        (Status.OPERATIONAL, {"presence": ConnectivityState.ASLEEP}, Connection.ASLEEP),
        (Status.OPERATIONAL, OFFLINE, Connection.OFFLINE),
        (
            Status.OPERATIONAL,
            {"presence": ConnectivityState.UNKNOWN},
            Connection.UNDETERMINED,
        ),
        (Status.OPERATIONAL, {"in_service": True}, Connection.IN_SERVICE),
        (Status.OPERATIONAL, OFFLINE | {"in_service": True}, Connection.IN_SERVICE),
        (
            Status.OPERATIONAL,
            OFFLINE | {"battery_level": NEARLY_EMPTY},
            Connection.POWER_LOW,
        ),
        (
            Status.OPERATIONAL,
            OFFLINE | {"battery_level": NEARLY_EMPTY + 1},
            Connection.OFFLINE,
        ),
        (Status.OPERATIONAL, OFFLINE | {"low_power_mode": True}, Connection.POWER_LOW),
        (
            Status.OPERATIONAL,
            OFFLINE | {"low_power_mode": False, "battery_level": 60},
            Connection.OFFLINE,
        ),
        # A car that sleeps or is online has power.
        (
            Status.OPERATIONAL,
            {"presence": ConnectivityState.ASLEEP, "battery_level": 1},
            Connection.ASLEEP,
        ),
        (Status.OPERATIONAL, {"battery_level": 1}, Connection.CLOUD),
        # A fault of all cars says nothing about this one.
        (Status.INTERNET_DOWN, OFFLINE, Connection.INTERNET_DOWN),
        (Status.PROVIDER_DOWN, {}, Connection.PROVIDER_DOWN),
        (Status.OUTAGE, {"presence": ConnectivityState.ASLEEP}, Connection.TESLA_DOWN),
        (Status.OUTAGE, {"in_service": True}, Connection.TESLA_DOWN),
    ],
)
def test_status_and_state(
    status: Status, given: dict[str, Any], connection: Connection
) -> None:
    state = VehicleState(vin=ADA, **({"presence": ConnectivityState.ONLINE} | given))
    found = cloud_connection(
        judged(status),
        ADA,
        state,
        CloudAccess(calls_work=True),
    )
    assert found is connection


@pytest.mark.parametrize(
    ("assessment", "calls_work", "mobile_access", "refused", "connection"),
    [
        # Some cars are affected, this one or another.
        (
            judged(Status.DEGRADED, frozenset({ADA})),
            True,
            True,
            None,
            Connection.TESLA_DOWN,
        ),
        (judged(Status.DEGRADED, None), True, True, None, Connection.TESLA_DOWN),
        (judged(Status.DEGRADED, frozenset({BO})), True, True, None, Connection.CLOUD),
        (judged(Status.DEGRADED), True, True, None, Connection.CLOUD),
        # A signed-in user continues until the token expires.
        (judged(Status.SIGN_IN_OUTAGE, None), True, True, None, Connection.CLOUD),
        (judged(Status.SIGN_IN_OUTAGE, None), False, True, None, Connection.TESLA_DOWN),
        # The account or a single car.
        (
            judged(Status.ACCOUNT_PROBLEM),
            False,
            True,
            Reason.BILLING_LIMIT,
            Connection.ACCOUNT,
        ),
        (
            judged(Status.ACCOUNT_PROBLEM),
            False,
            False,
            Reason.MOBILE_ACCESS,
            Connection.MOBILE_ACCESS_OFF,
        ),
        (
            judged(Status.ACCOUNT_PROBLEM),
            False,
            True,
            Reason.MOBILE_ACCESS,
            Connection.CLOUD,
        ),
        (
            judged(Status.OPERATIONAL),
            True,
            False,
            None,
            Connection.MOBILE_ACCESS_OFF,
        ),
        (judged(Status.OUTAGE), False, False, None, Connection.TESLA_DOWN),
        # Too little is known of the cloud, but calls may work.
        (judged(Status.UNDETERMINED), False, True, None, Connection.UNDETERMINED),
        (judged(Status.UNDETERMINED), True, True, None, Connection.CLOUD),
    ],
)
def test_calls_and_account(
    *,
    assessment: Assessment,
    calls_work: bool,
    mobile_access: bool,
    refused: Reason | None,
    connection: Connection,
) -> None:
    found = cloud_connection(
        assessment,
        ADA,
        VehicleState(vin=ADA, presence=ConnectivityState.ONLINE),
        CloudAccess(
            calls_work=calls_work, mobile_access=mobile_access, refusal=refused
        ),
    )
    assert found is connection


@pytest.mark.parametrize("status", Status)
def test_a_car_without_any_contact(status: Status) -> None:
    found = cloud_connection(
        judged(status),
        ADA,
        None,
        CloudAccess(calls_work=True),
    )
    assert found is not Connection.CLOUD


@pytest.mark.parametrize(
    ("subject", "verdict", "reason", "before", "after"),
    [
        (Subject.ACCOUNT, Verdict.BAD, Reason.MOBILE_ACCESS, True, False),
        (Subject.DATA, Verdict.GOOD, Reason.OK, False, True),
        (Subject.COMMANDS, Verdict.GOOD, Reason.OK, False, True),
        # List and state of cars are available without mobile access, too.
        (Subject.API, Verdict.GOOD, Reason.OK, False, False),
        (Subject.CAR, Verdict.BAD, Reason.ASLEEP, False, False),
        (Subject.DATA, Verdict.BAD, Reason.CLOUD_FAILS, False, False),
        (Subject.API, Verdict.BAD, Reason.NO_ANSWER, True, True),
    ],
)
def test_mobile_access(
    *, subject: Subject, verdict: Verdict, reason: Reason, before: bool, after: bool
) -> None:
    found = Evidence(
        classification=Classification(subject=subject, verdict=verdict, reason=reason),
        sent_at=1.0,
        at=2.0,
        vehicle_id=ADA,
    )
    assert mobile_access_enabled(found, before=before) is after


REACHED_BY = (
    Connection.CLOUD,
    Connection.ASLEEP,
    Connection.BLUETOOTH,
    Connection.BOTH,
)


@pytest.mark.parametrize(
    ("connection", "known"),
    [
        *((connection, True) for connection in REACHED_BY),
        (Connection.UNDETERMINED, None),
        *(
            (connection, False)
            for connection in Connection
            if connection not in {*REACHED_BY, Connection.UNDETERMINED}
        ),
    ],
)
@pytest.mark.parametrize("before", [True, False, None])
def test_the_last_state_holds_while_the_current_one_is_unknown(
    *, connection: Connection, known: bool | None, before: bool | None
) -> None:
    assert reachable(connection, before=before) is (before if known is None else known)


@pytest.mark.parametrize(
    ("subject", "verdict", "reason", "before", "after"),
    [
        (Subject.CAR, Verdict.BAD, Reason.PAYMENT, 0, 1),
        (Subject.CAR, Verdict.BAD, Reason.PAYMENT, 1, 2),
        # Debts of the account are no fault of a car.
        (Subject.ACCOUNT, Verdict.BAD, Reason.PAYMENT, 1, 1),
        (Subject.CAR, Verdict.BAD, Reason.ASLEEP, 2, 2),
        (Subject.API, Verdict.BAD, Reason.CLOUD_FAILS, 2, 2),
        (Subject.API, Verdict.GOOD, Reason.OK, 2, 0),
        (Subject.DATA, Verdict.GOOD, Reason.OK, 2, 0),
        (Subject.COMMANDS, Verdict.GOOD, Reason.OK, 2, 0),
    ],
)
def test_a_car_that_is_to_be_paid_for(
    subject: Subject, verdict: Verdict, reason: Reason, before: int, after: int
) -> None:
    classification = Classification(subject=subject, verdict=verdict, reason=reason)
    found = Evidence(classification=classification, sent_at=0.0, at=0.0)
    assert count_payment_errors(found, before=before) == after
