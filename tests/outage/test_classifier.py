"""The table of meanings, row by row."""

import pytest

from custom_components.keycard.outage.evidence import (
    Evidence,
    Kind,
    Reason,
    Subject,
    Verdict,
    evidence,
    read,
)
from custom_components.keycard.transport.http import Answer, Failure

URL = "https://fleet.example/status"
CALLS = (Kind.CALL, Kind.DATA, Kind.WAKE, Kind.COMMAND)
OWN_SUBJECT = {
    Kind.STATUS: Subject.STATUS,
    Kind.TOKEN: Subject.AUTH,
    Kind.AUTHORIZE: Subject.AUTH,
    Kind.CALL: Subject.API,
    Kind.DATA: Subject.DATA,
    Kind.WAKE: Subject.API,
    Kind.COMMAND: Subject.COMMANDS,
}
HTML = "<!DOCTYPE html><html><body>Hello</body></html>"
MAINTENANCE = "<html>503 Server Maintenance</html>"
CONNECT_ERROR = "upstream connect error or disconnect/reset before headers"


def answer(
    status: int | None = None,
    body: str = "",
    *,
    failure: Failure | None = None,
    content_type: str | None = None,
    location: str | None = None,
    retry_after: float | None = None,
    truncated: bool = False,
) -> Answer:
    if content_type is None:
        content_type = "text/plain"
        if body.startswith("<"):
            content_type = "text/html"
        if body.startswith(("{", "[")):
            content_type = "application/json"
    return Answer(
        asked_at=100.0,
        elapsed=0.5,
        status=status,
        content_type=content_type,
        body=body,
        failure=failure,
        location=location,
        retry_after=retry_after,
        truncated=truncated,
    )


def meaning(kind: Kind, found: Answer) -> tuple[Subject, Verdict, Reason]:
    told = read(kind, found, url=URL)
    return told.subject, told.verdict, told.reason


@pytest.mark.parametrize(
    ("status", "body", "subject", "verdict", "reason"),
    [
        (200, "ok", Subject.STATUS, Verdict.GOOD, Reason.OK),
        (200, " OK\n", Subject.STATUS, Verdict.GOOD, Reason.OK),
        (404, "", Subject.STATUS, Verdict.WEAK, Reason.GATEWAY),
        (404, HTML, Subject.STATUS, Verdict.WEAK, Reason.GATEWAY),
        (401, '{"error":"x"}', Subject.STATUS, Verdict.WEAK, Reason.GATEWAY),
        (403, '{"error":"x"}', Subject.STATUS, Verdict.WEAK, Reason.GATEWAY),
        (403, HTML, Subject.NETWORK, Verdict.BAD, Reason.BLOCKED),
        (200, HTML, Subject.NETWORK, Verdict.BAD, Reason.PORTAL),
        (200, "all is well", Subject.STATUS, Verdict.BAD, Reason.MALFORMED),
        (200, "", Subject.STATUS, Verdict.BAD, Reason.MALFORMED),
        (407, "", Subject.NETWORK, Verdict.BAD, Reason.PORTAL),
        (511, HTML, Subject.NETWORK, Verdict.BAD, Reason.PORTAL),
        (500, "internal server error", Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
        (502, HTML, Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
        (503, MAINTENANCE, Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
        (503, CONNECT_ERROR, Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
        (504, "", Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
        (520, HTML, Subject.STATUS, Verdict.BAD, Reason.CLOUD_FAILS),
    ],
)
def test_a_probe_of_a_region(
    status: int, body: str, subject: Subject, verdict: Verdict, reason: Reason
) -> None:
    told = meaning(Kind.STATUS, answer(status, body))

    assert told == (subject, verdict, reason)


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize(
    ("status", "body", "subject", "reason"),
    [
        (500, '{"error":"upstream internal error"}', None, Reason.CLOUD_FAILS),
        (502, HTML, None, Reason.CLOUD_FAILS),
        (503, MAINTENANCE, None, Reason.CLOUD_FAILS),
        (503, CONNECT_ERROR, None, Reason.CLOUD_FAILS),
        (504, "", None, Reason.CLOUD_FAILS),
        (520, HTML, None, Reason.CLOUD_FAILS),
        (200, '{"response": {"sta', None, Reason.MALFORMED),
        (200, "fine", None, Reason.MALFORMED),
        (
            500,
            '{"error":"vehicle unavailable: vehicle is offline or asleep"}',
            Subject.CAR,
            Reason.ASLEEP,
        ),
        (503, "Vehicle is not available", Subject.CAR, Reason.ASLEEP),
        (500, "vehicle unavailable", Subject.CAR, Reason.ASLEEP),
        (408, '{"error":"timeout"}', Subject.CAR, Reason.ASLEEP),
        (540, "", Subject.CAR, Reason.ASLEEP),
        (
            405,
            '{"error":"vehicle is currently in service"}',
            Subject.CAR,
            Reason.IN_SERVICE,
        ),
        (
            500,
            '{"error":"vehicle rejected request: your public key is not paired"}',
            Subject.CAR,
            Reason.REFUSED,
        ),
        (
            500,
            '{"error":"vehicle rejected request: user_not_present"}',
            Subject.CAR,
            Reason.REFUSED,
        ),
        (404, '{"error":"not_found"}', Subject.CAR, Reason.NOT_FOUND),
        (422, '{"error":"invalid"}', Subject.CAR, Reason.REFUSED),
        (401, '{"error":"login_required"}', Subject.ACCOUNT, Reason.SIGN_IN),
        (
            401,
            '{"error":"mobile_access_disabled"}',
            Subject.ACCOUNT,
            Reason.MOBILE_ACCESS,
        ),
        (401, '{"error":"token expired (401)"}', Subject.AUTH, Reason.UNAUTHORIZED),
        (401, "", Subject.AUTH, Reason.UNAUTHORIZED),
        (
            403,
            '{"error":"account disabled: EXCEEDED_LIMIT"}',
            Subject.ACCOUNT,
            Reason.LIMIT,
        ),
        (402, "", Subject.ACCOUNT, Reason.PAYMENT),
        (402, "vehicle_subscription_required", Subject.CAR, Reason.PAYMENT),
        (
            403,
            '{"error":"forbidden, see https://developer.example/fleet-api"}',
            Subject.ACCOUNT,
            Reason.POLICY,
        ),
        (403, HTML, Subject.NETWORK, Reason.BLOCKED),
        (412, '{"error":"not registered"}', Subject.ACCOUNT, Reason.NOT_REGISTERED),
        (421, '{"error":"use another base"}', Subject.ACCOUNT, Reason.WRONG_REGION),
        (429, "Too many requests", Subject.ACCOUNT, Reason.RATE_LIMITED),
        (200, HTML, Subject.NETWORK, Reason.PORTAL),
        (511, HTML, Subject.NETWORK, Reason.PORTAL),
    ],
)
def test_a_call(
    kind: Kind, status: int, body: str, subject: Subject | None, reason: Reason
) -> None:
    told = meaning(kind, answer(status, body))

    assert told == (subject or OWN_SUBJECT[kind], Verdict.BAD, reason)


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_that_works(kind: Kind) -> None:
    told = meaning(kind, answer(200, '{"response":{"state":"online"}}'))

    assert told == (OWN_SUBJECT[kind], Verdict.GOOD, Reason.OK)


@pytest.mark.parametrize(
    ("status", "body", "subject", "verdict", "reason"),
    [
        (400, '{"error":"invalid_request"}', Subject.AUTH, Verdict.GOOD, Reason.OK),
        (401, '{"error":"invalid_client"}', Subject.AUTH, Verdict.GOOD, Reason.OK),
        (200, '{"access_token":"x"}', Subject.AUTH, Verdict.GOOD, Reason.OK),
        (
            400,
            '{"error":"invalid_grant"}',
            Subject.ACCOUNT,
            Verdict.BAD,
            Reason.SIGN_IN,
        ),
        (
            401,
            '{"error":"login_required"}',
            Subject.ACCOUNT,
            Verdict.BAD,
            Reason.SIGN_IN,
        ),
        (
            503,
            '{"error":"login_required"}',
            Subject.AUTH,
            Verdict.BAD,
            Reason.CLOUD_FAILS,
        ),
        (400, "invalid_grant", Subject.AUTH, Verdict.WEAK, Reason.GATEWAY),
        (401, HTML, Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (403, HTML, Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (403, '{"error":"x"}', Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (404, "", Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (408, "", Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (500, "", Subject.AUTH, Verdict.BAD, Reason.CLOUD_FAILS),
        (200, HTML, Subject.NETWORK, Verdict.BAD, Reason.PORTAL),
    ],
)
def test_the_token_endpoint(
    status: int, body: str, subject: Subject, verdict: Verdict, reason: Reason
) -> None:
    told = meaning(Kind.TOKEN, answer(status, body))

    assert told == (subject, verdict, reason)


@pytest.mark.parametrize(
    ("status", "body", "subject", "verdict"),
    [
        (200, '{"issuer":"https://auth.example/"}', Subject.AUTH, Verdict.GOOD),
        (404, "", Subject.AUTH, Verdict.WEAK),
        (403, HTML, Subject.NETWORK, Verdict.BAD),
        (200, HTML, Subject.NETWORK, Verdict.BAD),
        (503, MAINTENANCE, Subject.AUTH, Verdict.BAD),
    ],
)
def test_the_sign_in_page(
    status: int, body: str, subject: Subject, verdict: Verdict
) -> None:
    assert meaning(Kind.AUTHORIZE, answer(status, body))[:2] == (subject, verdict)


@pytest.mark.parametrize("kind", OWN_SUBJECT)
@pytest.mark.parametrize(
    ("failure", "subject", "reason"),
    [
        (Failure.REFUSED, None, Reason.NO_ANSWER),
        (Failure.RESET, None, Reason.NO_ANSWER),
        (Failure.TIMEOUT, None, Reason.NO_ANSWER),
        (Failure.OTHER, None, Reason.NO_ANSWER),
        (Failure.TOO_LARGE, None, Reason.MALFORMED),
        (Failure.NAME, Subject.NETWORK, Reason.NAME),
        (Failure.ADDRESS, Subject.NETWORK, Reason.ADDRESS),
        (Failure.CERTIFICATE, Subject.NETWORK, Reason.CERTIFICATE),
    ],
)
def test_no_answer(
    kind: Kind, failure: Failure, subject: Subject | None, reason: Reason
) -> None:
    told = meaning(kind, answer(failure=failure))

    assert told == (subject or OWN_SUBJECT[kind], Verdict.BAD, reason)


@pytest.mark.parametrize("kind", OWN_SUBJECT)
def test_an_answer_that_breaks_off_is_none(kind: Kind) -> None:
    cut = answer(200, "ok", failure=Failure.RESET)

    assert meaning(kind, cut) == (OWN_SUBJECT[kind], Verdict.BAD, Reason.NO_ANSWER)


@pytest.mark.parametrize("kind", OWN_SUBJECT)
@pytest.mark.parametrize(
    ("location", "portal"),
    [
        ("http://login.hotel.example/", True),
        ("https://fleet.example/elsewhere", False),
        ("/elsewhere", False),
        (None, False),
        ("http://[::1", True),
        ("https://portal]/", True),
        ("http://\u2100.example/", True),
    ],
)
def test_a_redirect_to_another_host_is_a_portal(
    kind: Kind, location: str | None, portal: bool
) -> None:
    told = read(kind, answer(302, location=location), url=URL)

    assert (told.reason is Reason.PORTAL) is portal


@pytest.mark.parametrize(
    ("status", "body", "failure", "good"),
    [
        (204, "", None, True),
        (200, "success\n", None, True),
        (200, "OK", None, True),
        (200, "<HTML><BODY>Success</BODY></HTML>", None, True),
        (204, "Welcome", None, False),
        (200, HTML, None, False),
        (200, "", None, False),
        (302, "", None, False),
        (503, "", None, False),
        (None, "", Failure.TIMEOUT, False),
        (None, "", Failure.NAME, False),
        (200, "success", Failure.RESET, False),
    ],
)
def test_an_unrelated_host(
    status: int | None, body: str, failure: Failure | None, good: bool
) -> None:
    subject, verdict, reason = meaning(
        Kind.UNRELATED, answer(status, body, failure=failure)
    )

    assert subject is Subject.UNRELATED
    assert (verdict, reason) == (
        (Verdict.GOOD, Reason.OK) if good else (Verdict.BAD, Reason.NO_ANSWER)
    )


def test_a_command_for_a_car_whose_data_work_tells_of_the_command_plane() -> None:
    refused = answer(503, "vehicle is not available")

    told = read(Kind.COMMAND, refused, data_works=True)

    assert told.subject is Subject.COMMANDS
    assert told.reason is Reason.COMMANDS_FAIL
    assert read(Kind.COMMAND, refused).subject is Subject.CAR
    assert read(Kind.DATA, refused, data_works=True).subject is Subject.CAR


def test_a_body_of_which_only_the_beginning_was_kept_is_readable() -> None:
    beginning = '{"response": {"vehicles": [' + '"x",' * 20

    assert read(Kind.DATA, answer(200, beginning, truncated=True)).reason is Reason.OK
    assert read(Kind.DATA, answer(200, beginning)).reason is Reason.MALFORMED


@pytest.mark.parametrize("readable", [True, False])
def test_who_read_the_whole_body_knows_better(readable: bool) -> None:
    found = answer(200, "{}" if not readable else '{"respon', truncated=readable)

    told = read(Kind.CALL, found, readable=readable)

    assert (told.reason is Reason.OK) is readable


def test_deeply_nested_json_is_no_json() -> None:
    assert read(Kind.CALL, answer(200, "[" * 4000)).reason is Reason.MALFORMED


def test_evidence_carries_times_car_and_retry_after() -> None:
    found = answer(429, retry_after=37829.0)

    told = evidence(read(Kind.CALL, found), found, car="Ada", model="model3")

    assert told == Evidence(
        meaning=read(Kind.CALL, found),
        asked_at=100.0,
        at=100.5,
        car="Ada",
        model="model3",
        retry_after=37829.0,
        answered=True,
    )
    silent = answer(failure=Failure.TIMEOUT)
    assert not evidence(read(Kind.CALL, silent), silent).answered


OFFLINE = "vehicle unavailable: vehicle is offline or asleep"
SECTIONS = '"charge_state":null,"climate_state":null,"drive_state":null'


@pytest.mark.parametrize(
    ("kind", "body", "offline"),
    [
        (Kind.DATA, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (Kind.CALL, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (Kind.COMMAND, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (Kind.DATA, f'{{"response":{{"state":"offline",{SECTIONS}}}}}', True),
        (Kind.DATA, f'{{"response":{{"state":"asleep",{SECTIONS}}}}}', True),
        (Kind.DATA, f'{{"state":"asleep",{SECTIONS}}}', True),
        (Kind.DATA, '{"response":{"state":"offline"}}', True),
        # These say nothing of the kind.
        (Kind.DATA, f'{{"response":{{"state":"online",{SECTIONS}}}}}', False),
        (Kind.DATA, '{"response":{"state":"offline","charge_state":{}}}', False),
        (Kind.CALL, '{"response":{"state":"offline"}}', False),
        (Kind.DATA, '{"response":null,"error":"upstream internal error"}', False),
        (Kind.DATA, '{"response":[]}', False),
        (Kind.DATA, "null", False),
    ],
)
@pytest.mark.parametrize("readable", [None, False])
def test_a_good_answer_that_says_that_the_car_is_offline(
    kind: Kind, body: str, offline: bool, readable: bool | None
) -> None:
    told = read(kind, answer(200, body), readable=readable)

    assert (told.subject is Subject.CAR) is offline
    assert (told.reason is Reason.ASLEEP) is offline


PROXYS_OWN = [
    (500, '{"response":null,"error":"PIN codes must be four digits"}'),
    (500, '{"error":"vehicle rejected request: your public key has not been paired"}'),
    (412, '{"error":"vehicle rejected request: your public key has not been paired"}'),
    (500, '{"response":null,"error":"context deadline exceeded"}'),
    (500, '{"response":null,"error":"vehicle busy or finishing wake-up"}'),
    (500, '{"error":"MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES"}'),
    (500, '{"error":"MESSAGEFAULT_ERROR_REMOTE_ACCESS_DISABLED"}'),
    (400, '{"error":"invalid_command"}'),
    (400, '{"error":"missing seat_position param"}'),
]


@pytest.mark.parametrize("third_party", [True, False])
@pytest.mark.parametrize(("status", "body"), PROXYS_OWN)
def test_what_a_proxy_says_itself_is_never_tesla_s(
    status: int, body: str, third_party: bool
) -> None:
    told = read(Kind.COMMAND, answer(status, body), third_party=third_party)

    assert (told.subject, told.reason) == (Subject.CAR, Reason.REFUSED)


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (502, HTML, None),
        (504, "", None),
        (522, HTML, None),
        (None, "", Failure.TIMEOUT),
        (None, "", Failure.REFUSED),
    ],
)
def test_a_third_party_s_gateway_tells_nothing_of_tesla_s_commands(
    status: int | None, body: str, failure: Failure | None
) -> None:
    found = answer(status, body, failure=failure)

    told = read(Kind.COMMAND, found, third_party=True)
    assert told.subject is Subject.THIRD_PARTY
    # Of its other calls, it tells that the third party fails.
    assert read(Kind.CALL, found, third_party=True).subject is Subject.API
    assert read(Kind.COMMAND, found).subject is Subject.COMMANDS


@pytest.mark.parametrize("kind", [Kind.DATA, Kind.COMMAND])
def test_a_missing_scope_is_the_scope_s(kind: Kind) -> None:
    found = answer(403, '{"response":null,"error":"Unauthorized missing scopes"}')

    told = read(kind, found)
    assert (told.subject, told.reason) == (Subject.CAR, Reason.SCOPE)
    # Without it nothing at all is to be had.
    assert read(Kind.CALL, found).subject is Subject.ACCOUNT
