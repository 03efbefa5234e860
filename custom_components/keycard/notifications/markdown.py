"""Escaping of text for Markdown."""

import re
from string import punctuation

# CommonMark lets each of these be escaped; without them nothing is a link either.
_SPECIAL = re.compile(f"[{re.escape(punctuation)}]")


def escape_markdown(text: str) -> str:
    """Return Markdown, of one line, that is rendered as the letters of a text."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
