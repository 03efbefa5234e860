"""Classification of answers, rule by rule."""

import pytest

from custom_components.keycard.outage.classifier import classify
from custom_components.keycard.outage.evidence import (
    Evidence,
    Reason,
    RequestType,
    Subject,
    Verdict,
    make_evidence,
)
from custom_components.keycard.transport.http import Failure, HttpResult

URL = "https://fleet.example/status"
CALLS = (RequestType.CALL, RequestType.DATA, RequestType.WAKE, RequestType.COMMAND)
OWN_SUBJECT = {
    RequestType.STATUS: Subject.STATUS,
    RequestType.TOKEN: Subject.AUTH,
    RequestType.AUTHORIZE: Subject.AUTH,
    RequestType.CALL: Subject.API,
    RequestType.DATA: Subject.DATA,
    RequestType.WAKE: Subject.API,
    RequestType.COMMAND: Subject.COMMANDS,
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
) -> HttpResult:
    if content_type is None:
        content_type = "text/plain"
        if body.startswith("<"):
            content_type = "text/html"
        if body.startswith(("{", "[")):
            content_type = "application/json"
    return HttpResult(
        sent_at=100.0,
        elapsed=0.5,
        status=status,
        content_type=content_type,
        body=body,
        failure=failure,
        location=location,
        retry_after=retry_after,
        truncated=truncated,
    )


def classify_result(
    kind: RequestType, result: HttpResult
) -> tuple[Subject, Verdict, Reason]:
    classification = classify(kind, result, url=URL)
    return classification.subject, classification.verdict, classification.reason


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
    classification = classify_result(RequestType.STATUS, answer(status, body))

    assert classification == (subject, verdict, reason)


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
            Reason.BILLING_LIMIT,
        ),
        (402, "", Subject.ACCOUNT, Reason.PAYMENT),
        (402, "vehicle_subscription_required", Subject.CAR, Reason.PAYMENT),
        (
            403,
            '{"error":"forbidden, see https://developer.example/fleet-api"}',
            Subject.ACCOUNT,
            Reason.FORBIDDEN,
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
    kind: RequestType, status: int, body: str, subject: Subject | None, reason: Reason
) -> None:
    classification = classify_result(kind, answer(status, body))

    assert classification == (subject or OWN_SUBJECT[kind], Verdict.BAD, reason)


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_that_works(kind: RequestType) -> None:
    classification = classify_result(
        kind, answer(200, '{"response":{"state":"online"}}')
    )

    assert classification == (OWN_SUBJECT[kind], Verdict.GOOD, Reason.OK)


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
    classification = classify_result(RequestType.TOKEN, answer(status, body))

    assert classification == (subject, verdict, reason)


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
    assert classify_result(RequestType.AUTHORIZE, answer(status, body))[:2] == (
        subject,
        verdict,
    )


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
    kind: RequestType, failure: Failure, subject: Subject | None, reason: Reason
) -> None:
    classification = classify_result(kind, answer(failure=failure))

    assert classification == (subject or OWN_SUBJECT[kind], Verdict.BAD, reason)


@pytest.mark.parametrize("kind", OWN_SUBJECT)
def test_an_answer_that_breaks_off_is_none(kind: RequestType) -> None:
    cut = answer(200, "ok", failure=Failure.RESET)

    assert classify_result(kind, cut) == (
        OWN_SUBJECT[kind],
        Verdict.BAD,
        Reason.NO_ANSWER,
    )


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
    kind: RequestType, location: str | None, portal: bool
) -> None:
    classification = classify(kind, answer(302, location=location), url=URL)

    assert (classification.reason is Reason.PORTAL) is portal


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
    subject, verdict, reason = classify_result(
        RequestType.UNRELATED, answer(status, body, failure=failure)
    )

    assert subject is Subject.UNRELATED
    assert (verdict, reason) == (
        (Verdict.GOOD, Reason.OK) if good else (Verdict.BAD, Reason.NO_ANSWER)
    )


def test_a_failed_command_with_working_data_is_evidence_about_commands() -> None:
    refused = answer(503, "vehicle is not available")

    classification = classify(RequestType.COMMAND, refused, data_works=True)

    assert classification.subject is Subject.COMMANDS
    assert classification.reason is Reason.COMMANDS_FAIL
    assert classify(RequestType.COMMAND, refused).subject is Subject.CAR
    assert classify(RequestType.DATA, refused, data_works=True).subject is Subject.CAR


def test_a_body_of_which_only_the_beginning_was_kept_is_readable() -> None:
    beginning = '{"response": {"vehicles": [' + '"x",' * 20

    assert (
        classify(RequestType.DATA, answer(200, beginning, truncated=True)).reason
        is Reason.OK
    )
    assert classify(RequestType.DATA, answer(200, beginning)).reason is Reason.MALFORMED


@pytest.mark.parametrize("readable", [True, False])
def test_the_readability_found_by_the_caller_overrides_the_stored_body(
    readable: bool,
) -> None:
    result = answer(200, "{}" if not readable else '{"respon', truncated=readable)

    classification = classify(RequestType.CALL, result, readable=readable)

    assert (classification.reason is Reason.OK) is readable


def test_deeply_nested_json_is_no_json() -> None:
    assert (
        classify(RequestType.CALL, answer(200, "[" * 4000)).reason is Reason.MALFORMED
    )


def test_evidence_carries_times_car_and_retry_after() -> None:
    result = answer(429, retry_after=37829.0)

    classification = make_evidence(
        classify(RequestType.CALL, result), result, vehicle_id="Ada", model="model3"
    )

    assert classification == Evidence(
        classification=classify(RequestType.CALL, result),
        sent_at=100.0,
        at=100.5,
        vehicle_id="Ada",
        model="model3",
        retry_after=37829.0,
        answered=True,
    )
    silent = answer(failure=Failure.TIMEOUT)
    assert not make_evidence(classify(RequestType.CALL, silent), silent).answered


OFFLINE = "vehicle unavailable: vehicle is offline or asleep"
SECTIONS = '"charge_state":null,"climate_state":null,"drive_state":null'


@pytest.mark.parametrize(
    ("kind", "body", "offline"),
    [
        (RequestType.DATA, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (RequestType.CALL, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (RequestType.COMMAND, f'{{"response":null,"error":"{OFFLINE}"}}', True),
        (RequestType.DATA, f'{{"response":{{"state":"offline",{SECTIONS}}}}}', True),
        (RequestType.DATA, f'{{"response":{{"state":"asleep",{SECTIONS}}}}}', True),
        (RequestType.DATA, f'{{"state":"asleep",{SECTIONS}}}', True),
        (RequestType.DATA, '{"response":{"state":"offline"}}', True),
        # These are none of this kind.
        (RequestType.DATA, f'{{"response":{{"state":"online",{SECTIONS}}}}}', False),
        (RequestType.DATA, '{"response":{"state":"offline","charge_state":{}}}', False),
        (RequestType.CALL, '{"response":{"state":"offline"}}', False),
        (
            RequestType.DATA,
            '{"response":null,"error":"upstream internal error"}',
            False,
        ),
        (RequestType.DATA, '{"response":[]}', False),
        (RequestType.DATA, '{"response":{"state":[]}}', False),
        (RequestType.DATA, '{"response":{"state":null}}', False),
        (RequestType.DATA, "null", False),
    ],
)
@pytest.mark.parametrize("readable", [None, False])
def test_a_good_answer_that_says_that_the_car_is_offline(
    kind: RequestType, body: str, offline: bool, readable: bool | None
) -> None:
    classification = classify(kind, answer(200, body), readable=readable)

    assert (classification.subject is Subject.CAR) is offline
    assert (classification.reason is Reason.ASLEEP) is offline


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
def test_answers_of_a_proxy_itself_are_not_attributed_to_tesla(
    status: int, body: str, third_party: bool
) -> None:
    classification = classify(
        RequestType.COMMAND, answer(status, body), third_party=third_party
    )

    assert (classification.subject, classification.reason) == (
        Subject.CAR,
        Reason.REFUSED,
    )


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
def test_a_gateway_of_a_third_party_is_no_evidence_about_commands(
    status: int | None, body: str, failure: Failure | None
) -> None:
    result = answer(status, body, failure=failure)

    classification = classify(RequestType.COMMAND, result, third_party=True)
    assert classification.subject is Subject.THIRD_PARTY
    # For its other calls it is evidence that the third party fails.
    assert classify(RequestType.CALL, result, third_party=True).subject is Subject.API
    assert classify(RequestType.COMMAND, result).subject is Subject.COMMANDS


@pytest.mark.parametrize("kind", [RequestType.DATA, RequestType.COMMAND])
def test_a_missing_scope_is_the_scope_s(kind: RequestType) -> None:
    result = answer(403, '{"response":null,"error":"Unauthorized missing scopes"}')

    classification = classify(kind, result)
    assert (classification.subject, classification.reason) == (
        Subject.CAR,
        Reason.SCOPE,
    )
    # Without it there are no data at all.
    assert classify(RequestType.CALL, result).subject is Subject.ACCOUNT
