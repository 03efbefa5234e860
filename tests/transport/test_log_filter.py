"""Tests of the redaction of the library's log."""

from collections.abc import Generator
import json
import logging
import time

import bleak_retry_connector
import pytest

from custom_components.keycard.transport.log_filter import redact, redact_library_log

from ..vehicle.recorded import MODEL_3, PRODUCTS, SLEEPER, VIN, recorded

HIDDEN = "**REDACTED**"
HIDDEN2 = f"'{HIDDEN}'"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Status 200 from http://host/status", "Status 200 from http://host/status"),
        (f"http://host/api/1/vehicles/{VIN}", f"http://host/api/1/vehicles/{HIDDEN}"),
        ("Authorization: Bearer abc.def-1", f"Authorization: Bearer {HIDDEN}"),
        ("got eyJhbGciOi.eyJzdWIi.c2ln_-", f"got {HIDDEN}"),
        ("{'latitude': -30.2, 'speed': 5}", f"{{'latitude': '{HIDDEN}', 'speed': 5}}"),
        ('{"latitude":1e-05}', f"{{\"latitude\":'{HIDDEN}'}}"),
        ("{'tokens': ['a', 'b']}", f"{{'tokens': '{HIDDEN}'}}"),
        ("""{'vehicle_name': "Ada's"}""", f"{{'vehicle_name': '{HIDDEN}'}}"),
        (
            r"{'display_name': 'A\'d', 'n': 1}",
            f"{{'display_name': '{HIDDEN}', 'n': 1}}",
        ),
        ("{'home_address': {'street': 'x'}}", f"{{'home_address': '{HIDDEN}'}}"),
        ("{'id': 1234, 'idle': 1}", f"{{'id': '{HIDDEN}', 'idle': 1}}"),
        ("{'charging_state': 'Stopped'}", "{'charging_state': 'Stopped'}"),
        # The text of a protobuf message
        (
            "place {\n  latitude: 52.39\n  native_latitude: -52\n}",
            f"place {{\n  latitude: {HIDDEN}\n  native_latitude: {HIDDEN}\n}}",
        ),
        (r'vehicle_name: "A \"B\"" odometer: 5', f"vehicle_name: {HIDDEN} odometer: 5"),
        (
            'drive_state { active_route_destination: "Home" speed: 3 }',
            f"drive_state {{ active_route_destination: {HIDDEN} speed: 3 }}",
        ),
        # JSON within JSON, and the other way of writing names
        (
            r'{"body": "{\"latitude\": 52.3}"}',
            rf'{{"body": "{{\"latitude\": {HIDDEN2}}}"}}',
        ),
        ('{"accessToken": "abc"}', f"{{\"accessToken\": '{HIDDEN}'}}"),
        (
            "{'tokens': [['a'], {'b': ']'}], 'n': 1}",
            f"{{'tokens': '{HIDDEN}', 'n': 1}}",
        ),
        # Free text
        ("the token 8f3a1c9d7b2e4f60a1b2 is bad", f"the token {HIDDEN} is bad"),
        (f"no car {VIN.lower()} here", f"no car {HIDDEN} here"),
        (f"b'\\x11{VIN}\\x00'", f"b'\\x11{HIDDEN}\\x00'"),
        ("PIN 4711 is wrong", f"PIN {HIDDEN} is wrong"),
        ("valet pin: 4711", f"valet pin: {HIDDEN}"),
        ("PIN codes must be 4 digits", "PIN codes must be 4 digits"),
        ("owner ada.l+x@mail.example.org left", f"owner {HIDDEN} left"),
        ("at 52.3941, 13.7904 now", f"at {HIDDEN} now"),
        ("Reconnecting to S0123456789abcdefC", f"Reconnecting to {HIDDEN}"),
        ("?vin=x&token=abc&speed=5", f"?vin={HIDDEN}&token={HIDDEN}&speed=5"),
        (
            "charge_state;climate_state;drive_state",
            "charge_state;climate_state;drive_state",
        ),
    ],
)
def test_texts(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "part",
    [
        *("'", '"', "a_", "'a_", '"vin": "', "vin:", "eyJ", "eyJ-", "eyJ.", "a@", "a."),
        *("@", "pin ", "1.11,", "[", "{'vin': [", '\\"', "bearer ", "A1", "-", "\n"),
        "vin=\\",
    ],
)
def test_redaction_takes_linear_time(part: str) -> None:
    """A text four times as long takes about four times as long, not sixteen."""

    def spent(size: int) -> float:
        text = (part * size)[:size]
        times = []
        for _ in range(3):
            began = time.process_time()
            redact(text)
            times.append(time.process_time() - began)
        return min(times)

    spent(1000)
    assert spent(120_000) < 9 * spent(30_000) + 0.01


def test_exception_is_redacted(
    library: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    redact_library_log()
    try:
        dict[str, str]()[VIN]
    except KeyError:
        library.exception("It failed")
    assert "KeyError" in caplog.text
    assert VIN not in caplog.text
    assert caplog.records[-1].exc_info is None


@pytest.fixture
def library() -> Generator[logging.Logger]:
    logger = logging.getLogger("tesla_fleet_api")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(level)


@pytest.mark.parametrize("name", [MODEL_3, PRODUCTS])
@pytest.mark.parametrize("write", [str, json.dumps], ids=["python", "json"])
def test_recorded_answers(
    name: str,
    write: type[str],
    library: logging.Logger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redact_library_log()
    redact_library_log()
    library.debug("Response JSON: %s", write(recorded(name)))
    for private in (VIN, SLEEPER, "-30.222626", "-97.6236871", "30.2226265", "abc"):
        assert private not in caplog.text
    assert "Home" not in caplog.text
    assert caplog.text.count(HIDDEN) >= 4
    assert caplog.text.count("Response JSON") == 1


def test_loggers_of_the_library_are_redacted(library: logging.Logger) -> None:
    from tesla_fleet_api.const import LOGGER

    assert LOGGER is library


def test_log_of_the_bluetooth_connector_is_redacted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert bleak_retry_connector.__name__ == "bleak_retry_connector"
    redact_library_log()
    with caplog.at_level(logging.DEBUG, "bleak_retry_connector"):
        logging.getLogger("bleak_retry_connector").debug("%s: Connecting", VIN)
    assert VIN not in caplog.text
    assert HIDDEN in caplog.text
