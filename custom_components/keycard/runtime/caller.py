"""Tell whether a person asked for what is being done."""

from contextvars import ContextVar

from homeassistant.core import Context, callback

_PERSON: ContextVar[bool] = ContextVar("keycard_person", default=False)


@callback
def async_note_caller(context: Context) -> None:
    """Note who calls an action: what follows from it in this task is theirs."""
    _PERSON.set(context.user_id is not None)


def is_automatic() -> bool:
    """Return whether no person is known to have asked, as in an automation."""
    return not _PERSON.get()
