"""Keep errors of one listener, entry or vehicle from the others."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
import logging
import traceback
from typing import Any, override

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from ..transport.log_filter import redact

_LOGGER = logging.getLogger(__name__)


@contextmanager
def isolated(what: str) -> Generator[None]:
    """Log errors without secrets, and continue; `what` names the failing part."""
    try:
        yield
    except Exception:  # noqa: BLE001 - no error may affect the others
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
