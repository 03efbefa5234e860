"""Timer that can be rescheduled."""

from collections.abc import Callable
from datetime import datetime

from homeassistant.core import (
    CALLBACK_TYPE,
    HassJob,
    HassJobType,
    HomeAssistant,
    callback,
)
from homeassistant.helpers.event import async_call_later

# Seconds by which a timer that stays as it is may differ from the requested time.
_TOLERANCE = 0.001


class Timer:
    """Call an action after a delay; the action may schedule the timer again."""

    def __init__(self, hass: HomeAssistant, action: Callable[[], None]) -> None:
        """Initialize the timer without scheduling it."""
        self._hass = hass
        self._action = action
        self._unsub: CALLBACK_TYPE | None = None
        self._expires_at = 0.0
        self._job = HassJob(
            self._async_expired,
            cancel_on_shutdown=True,
            job_type=HassJobType.Callback,
        )

    @property
    def is_scheduled(self) -> bool:
        """Return whether the action is going to be called."""
        return self._unsub is not None

    @callback
    def async_schedule(self, delay: float) -> None:
        """Call the action after a delay (s), and not at an earlier scheduled time."""
        delay = max(0.0, delay)
        expires_at = self._hass.loop.time() + delay
        if self.is_scheduled and abs(expires_at - self._expires_at) < _TOLERANCE:
            return
        self.async_cancel()
        self._expires_at = expires_at
        self._unsub = async_call_later(self._hass, delay, self._job)

    @callback
    def async_cancel(self) -> None:
        """Cancel the scheduled call."""
        if self._unsub is not None:
            self._unsub()
            self._unsub = None

    @callback
    def _async_expired(self, _now: datetime) -> None:
        self._unsub = None
        self._action()
