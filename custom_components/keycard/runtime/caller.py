"""Track whether a user or an automation called an action."""

from contextvars import ContextVar

from homeassistant.core import Context, callback

_CALLED_BY_USER: ContextVar[bool] = ContextVar("keycard_called_by_user", default=False)


@callback
def async_note_caller(context: Context) -> None:
    """Note the caller of an action for the current task."""
    _CALLED_BY_USER.set(context.user_id is not None)


def is_automatic() -> bool:
    """Return whether no user called the current action, as in an automation."""
    return not _CALLED_BY_USER.get()
