"""Keep errors of one listener, entry or vehicle from the others."""

from collections.abc import Callable
import logging
import traceback
from types import TracebackType
from typing import Any, override

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from ..transport.log_filter import redact

_LOGGER = logging.getLogger(__name__)


class isolated:  # noqa: N801 - used like a function
    """Log errors without secrets, and continue; `what` is the name of the part.

    Each update of an entity is isolated, so this is no generator, which is slower.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        """Initialize with the name of the part."""
        self._what = what

    def __enter__(self) -> None:
        """Begin the part."""

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool:
        """Log an error, and return whether it ends here."""
        if not isinstance(error, Exception):
            return False
        _log_error(self._what)
        return True


class RepeatedIsolation(isolated):
    """Isolate a part that may fail again and again, and log only the first error."""

    def __init__(self, what: str) -> None:
        """Initialize; `what` is the name of the part."""
        super().__init__(what)
        self._failing = False

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Log the first error since the part last worked; return whether it ends."""
        if error is None:
            self._failing = False
        elif isinstance(error, Exception):
            was_failing, self._failing = self._failing, True
            if was_failing:
                return True
        return super().__exit__(kind, error, trace)


def _log_error(what: str) -> None:
    redacted = redact(traceback.format_exc())
    # The exception itself may contain a VIN.
    _LOGGER.log(logging.ERROR, "Error in %s: %s", what, redacted)


class IsolatedCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """Coordinator whose listeners are isolated from each other."""

    @callback
    @override
    def async_add_listener(
        self, update_callback: CALLBACK_TYPE, context: Any = None
    ) -> Callable[[], None]:
        """Add a listener for updates."""

        @callback
        def update() -> None:
            with isolated("an entity"):
                update_callback()

        return super().async_add_listener(update, context)
