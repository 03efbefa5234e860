"""Rules of hassfest, Home Assistant's check of integrations.

It comes with the sources of Home Assistant only, so the workflow runs it; its rules for
custom integrations, as far as they are known, are tested here.
"""

from collections.abc import Callable, Mapping
import re
from typing import Any

import pytest
import voluptuous as vol
import yaml

from homeassistant.const import Platform
from homeassistant.helpers import config_validation as cv, selector

from .repository_files import KEYCARD, read_json

type Json = Mapping[str, Any]


def _exists(value: object) -> object:
    if value is None:
        raise vol.Invalid("there is no value")
    return value


_FIELD = {
    vol.Optional("example"): _exists,
    vol.Optional("default"): _exists,
    vol.Optional("required"): bool,
    vol.Optional("selector"): selector.validate_selector,
}
_FILTER = {
    vol.Optional("filter"): {
        vol.Exclusive("attribute", "filter"): {str: [str]},
        vol.Exclusive("supported_features", "filter"): [str],
    }
}
_ACTION_FIELD = vol.Schema({**_FIELD, vol.Optional("advanced"): bool, **_FILTER})
_TEXTS = {vol.Optional("name"): str, vol.Optional("description"): str}
_ACTION = vol.Any(
    vol.Schema(
        {
            vol.Optional("target"): vol.Any(
                selector.TargetSelector.CONFIG_SCHEMA, None
            ),
            vol.Optional("fields"): {str: _ACTION_FIELD},
            **_TEXTS,
        }
    ),
    None,
)
_AUTOMATION = vol.Any(
    vol.Schema(
        {
            vol.Optional("target"): selector.TargetSelector.CONFIG_SCHEMA,
            vol.Optional("fields"): {
                str: vol.Schema({**_FIELD, vol.Optional("context"): {str: str}})
            },
        }
    ),
    None,
)


def slug_without_dashes(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_]*", value):
        raise vol.Invalid(f"{value!r} is no name of a trigger or condition")
    return value


# Keys that start with a dot hold anchors, and cannot be actions.
def _with_anchors(content: Json) -> Json:
    return {key: value for key, value in content.items() if not key.startswith(".")}


FILES: dict[str, tuple[Callable[[Any], Any], Callable[[Json], Json]]] = {
    "services": (vol.Schema({cv.slug: _ACTION}), dict),
    "triggers": (vol.Schema({slug_without_dashes: _AUTOMATION}), _with_anchors),
    "conditions": (vol.Schema({slug_without_dashes: _AUTOMATION}), _with_anchors),
}


def content_of(name: str) -> dict[str, Any]:
    content = yaml.safe_load((KEYCARD / f"{name}.yaml").read_text())
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("name", FILES)
def test_files_hold_to_the_schema(name: str) -> None:
    schema, without = FILES[name]
    content = content_of(name)
    schema(without(content))
    with pytest.raises(vol.Invalid):
        schema({**without(content), ".anchor": {"selector": {"text": None}}})
    with pytest.raises(vol.Invalid):
        schema({**without(content), "new": {"fields": {"a": {"selector": {"no": 1}}}}})


@pytest.mark.parametrize("name", FILES)
def test_selectors_have_their_texts(name: str) -> None:
    texts: Any = read_json(KEYCARD / "translations" / "en.json")
    for key, one in FILES[name][1](content_of(name)).items():
        for field, definition in (one or {}).get("fields", {}).items():
            assert texts[name][key]["fields"][field]["name"]
            # Home Assistant's own triggers describe neither of these two.
            if name == "services" or field not in {"behavior", "for"}:
                assert texts[name][key]["fields"][field]["description"]
            options = (definition.get("selector") or {}).get("select") or {}
            if (wanted := options.get("translation_key")) is not None:
                assert set(texts["selector"][wanted]["options"]) >= set(
                    options["options"]
                ), (key, field)


def test_icons() -> None:
    icons: Any = read_json(KEYCARD / "icons.json")
    kinds = {"services": "service", "triggers": "trigger", "conditions": "condition"}
    assert set(icons) <= {"entity", "issues", "selector", *kinds}
    for kind, one in kinds.items():
        for key, icon in icons[kind].items():
            assert set(icon) <= {one, "sections"}, key
            assert icon[one].startswith("mdi:"), key
    for platform, entities in icons["entity"].items():
        assert platform in {one.value for one in Platform}
        for key, icon in entities.items():
            assert cv.slug(key) == key
            check_icon(icon, key)
            for attribute in icon.get("state_attributes", {}).values():
                check_icon(attribute, key)


def check_icon(icon: Json, key: str) -> None:
    """Check an icon: a default, and others that differ from it."""
    assert set(icon) <= {"default", "state", "range", "state_attributes"}, key
    assert icon["default"].startswith("mdi:"), key
    states = icon.get("state", {})
    assert all(other.startswith("mdi:") for other in states.values()), key
    assert icon["default"] not in states.values(), key


def test_translations_resolve_nothing_at_run_time() -> None:
    # Only Home Assistant's own build resolves such references.
    for path in (KEYCARD / "translations").glob("*.json"):
        assert "[%key:" not in path.read_text(), path.name
