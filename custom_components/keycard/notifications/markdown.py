"""Escaping of text for Markdown."""

import re
from string import punctuation

# CommonMark allows escaping each of these; without them there are no links either.
_SPECIAL = re.compile(f"[{re.escape(punctuation)}]")


def escape_markdown(text: str) -> str:
    """Return a text as one line of escaped Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
