"""What the log of the library may show."""

from collections.abc import Generator
import json
import logging

import bleak_retry_connector
import pytest

from custom_components.keycard.vehicle.redaction import redact, redact_library_log

from .recorded import MODEL_3, PRODUCTS, SLEEPER, VIN, recorded

HIDDEN = "**REDACTED**"


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
    ],
)
def test_texts(text: str, clean: str) -> None:
    assert redact(text) == clean


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


def test_the_library_logs_where_it_is_redacted(library: logging.Logger) -> None:
    from tesla_fleet_api.const import LOGGER

    assert LOGGER is library


def test_who_connects_for_the_library_names_no_car(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert bleak_retry_connector.__name__ == "bleak_retry_connector"
    redact_library_log()
    with caplog.at_level(logging.DEBUG, "bleak_retry_connector"):
        logging.getLogger("bleak_retry_connector").debug("%s: Connecting", VIN)
    assert VIN not in caplog.text
    assert HIDDEN in caplog.text
