"""Timer that can be rescheduled."""

from unittest.mock import Mock

import pytest

from homeassistant.core import HomeAssistant

from custom_components.keycard.helpers import timer
from custom_components.keycard.helpers.timer import Timer


def test_a_timer_whose_time_stays_the_same_is_left_alone(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_time = Mock(return_value=100.0)
    call_later = Mock(side_effect=lambda *_: Mock())
    monkeypatch.setattr(timer, "async_call_later", call_later)
    one = Timer(Mock(spec=HomeAssistant, loop=Mock(time=loop_time)), Mock())
    one.async_schedule(60.0)
    loop_time.return_value = 110.0
    one.async_schedule(50.0)
    assert call_later.call_count == 1
    # Sooner, later, and anew after it was canceled.
    for number, delay in enumerate((40.0, 45.0), 2):
        one.async_schedule(delay)
        assert call_later.call_count == number
    one.async_cancel()
    one.async_schedule(45.0)
    assert call_later.call_count == 4
