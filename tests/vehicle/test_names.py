"""Tests of vehicle names: emoji stay whole, equal names get distinct labels."""

import pytest

from custom_components.keycard.vehicle.parsing import parse_text
from custom_components.keycard.vehicle.product_list import unique_labels

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
THUMB = "\U0001f44d\U0001f3fd"
HEART = "\u2764\ufe0f"


@pytest.mark.parametrize("emoji", [FAMILY, ENGLAND, THUMB, HEART])
def test_emoji_stay_whole(emoji: str) -> None:
    assert parse_text(f" Ada {emoji} ") == f"Ada {emoji}"
    assert parse_text(f"{emoji}Ada") == f"{emoji}Ada"
    for length in range(255 - len(emoji) - 1, 257):
        text = parse_text("a" * length + emoji + "b" * 9)
        assert text is not None
        assert len(text) <= 255
        assert text.rstrip("b") in {"a" * min(length, 255), "a" * length + emoji}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\u200dAda\u200d", "Ada"),
        ("\u200d\u200c", None),
        ("A\u202eda\u0000", "Ada"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        pytest.param("\u0301" * 300, "\u0301" * 255, id="marks"),
    ],
)
def test_joiners_without_neighbor_are_removed(value: str, text: str | None) -> None:
    assert parse_text(value) == text


def test_equal_names_get_distinct_labels() -> None:
    assert unique_labels({"5YJ1F7EK4KC700001": "Ada", "ada": "Bo"}) == {
        "5YJ1F7EK4KC700001": "Ada",
        "ada": "Bo",
    }
    assert unique_labels({"5YJ1F7EK4KC700001": "Ada", "5YJ1F7EK4KC700002": "Ada"}) == {
        "5YJ1F7EK4KC700001": "Ada (700001)",
        "5YJ1F7EK4KC700002": "Ada (700002)",
    }
