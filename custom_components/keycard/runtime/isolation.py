"""Keeps an error of one listener, entry or vehicle from all others."""

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
    """Log an error of what is done in here, without secrets, and go on after it."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is, it is not the others'
        told = redact(traceback.format_exc())
        # Without the exception itself, whose text may hold a VIN.
        _LOGGER.log(logging.ERROR, "Error in %s: %s", what, told)


class IsolatedCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """A coordinator of which no listener blinds another."""

    @callback
    @override
    def async_add_listener(
        self, update_callback: CALLBACK_TYPE, context: Any = None
    ) -> Callable[[], None]:
        """Call back when there is news."""

        @callback
        def update() -> None:
            with isolated("an entity"):
                update_callback()

        return super().async_add_listener(update, context)
