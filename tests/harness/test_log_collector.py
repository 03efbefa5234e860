"""Detection of errors in the log that involve Keycard."""

import logging

import pytest

from harness.home_assistant import LogCollector


@pytest.mark.parametrize(
    ("name", "message", "ours"),
    [
        ("custom_components.keycard.runtime.host_poller", "it failed", True),
        ("homeassistant.setup", "Setup failed for custom integration 'keycard'", True),
        ("homeassistant.config_entries", "Error setting up entry for keycard", True),
        ("homeassistant", 'File "/a/custom_components/keycard/lock.py"', True),
        ("haffmpeg.core", 'File "/a/.cache/keycard/venv-1/haffmpeg/core.py"', False),
        ("asyncio", "at /a/keycard-2/harness/event_loop.py", False),
        ("asyncio", "slow", False),
    ],
)
def test_an_error_is_known_by_the_name_but_not_by_a_folder(
    name: str, message: str, ours: bool
) -> None:
    log = LogCollector()
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, None, None)
    log.emit(record)
    assert bool(log.keycard_errors) is ours
