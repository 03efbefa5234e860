"""Every text exists in every language, and is used."""

import ast
from collections.abc import Collection
from pathlib import Path
import re
from unicodedata import east_asian_width

import pytest
import yaml

from homeassistant.const import Platform

from custom_components.keycard.bluetooth.pairing_attempt import KEY_FILE, LISTENS_ONLY
from custom_components.keycard.const import MODEL_NAMES, SUBENTRY_BLUETOOTH_KEY
from custom_components.keycard.outage.endpoints import REGIONS
from custom_components.keycard.outage.models import (
    OUTAGES,
    MissingEvidence,
    Scope,
    Status,
    Subsystem,
)
from custom_components.keycard.outage.outage_log import NoticeType
from custom_components.keycard.runtime import commands
from custom_components.keycard.transport.bluetooth_pairing import PairingResult
from custom_components.keycard.transport.result import BluetoothError, CommandRejection
from custom_components.keycard.vehicle.keys import UNKNOWN_MODEL

from .repository_files import (
    KEYCARD,
    LANGUAGES,
    calls,
    function_name,
    has_path,
    keys_at,
    modules,
    read_json,
    string_argument,
    strings,
    translations,
)

# Reasons translated by Home Assistant, raised by its own flow code
CENTRAL_ABORTS = {
    "already_in_progress",
    "reauth_successful",
    "reconfigure_successful",
    "single_instance_allowed",
}

# Names, which no language translates
NAMES = {
    *("Cybertruck", "Model 3", "Model S", "Model X", "Model Y", "HomeLink"),
    *("Tesla", "Teslemetry", "Tessie", "Bluetooth", "API"),
}
# Words that are the same in English and in another language
COGNATES = {
    "Application": {"fr"},
    "Budget": {"da", "de", "fr", "it", "nl", "sv"},
    "China": {"de", "es", "nl", "pt-BR"},
    "Cloud": {"da", "de", "fr", "it", "nl"},
    "Dashcam": {"da", "de", "es", "fr", "it", "nb", "nl", "pt-BR", "sv"},
    "Destination": {"da", "fr", "sv"},
    "Domain": {"de"},
    "Gear": {"da"},
    "In Home Assistant": {"de", "it", "nl"},
    "Model": {"da", "nl", "pl"},
    "Name": {"de"},
    "Neutral": {"sv"},
    "No": {"es", "it"},
    "Normal": {"da", "de", "es", "fr", "nb", "pt-BR", "sv"},
    "Online": {"da", "de", "it", "nl", "pl", "pt-BR", "sv"},
    "Person": {"de"},
    "Region": {"da", "de", "nb", "pl", "sv"},
    "Servers": {"nl"},
    "Software": {"da", "de", "es", "it", "nl", "pt-BR"},
    "Start": {"da", "nb", "sv"},
    "Status": {"da", "de", "nb", "nl", "pl", "pt-BR", "sv"},
    "Text": {"de", "sv"},
    "Token": {"da", "de", "es", "it", "nb", "nl", "pl", "pt-BR", "sv"},
    "VIN": {"es", "fr", "it", "nl", "pl"},
    "Version": {"da", "de", "fr", "sv"},
    "{hours} h {minutes} min": {"es", "fr", "it", "pt-BR"},
    "{minutes} min": {"da", "es", "fr", "it", "nb", "nl", "pl", "pt-BR", "sv"},
}


EMPHASIS = r"\*([^*\n]+)\*"


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_fit_to_be_shown(language: str) -> None:
    for path, text in strings(translations(language)):
        assert text.strip() == text, path
        assert text, path
        assert "://" not in text, path
        assert not re.search(r"<\s*/?\s*\w", text), path
        assert "[%key:" not in text, path
        assert "''" not in text, path


def test_translation_keys_are_slugs() -> None:
    for path, _ in strings(translations("en")):
        for key in path.split("."):
            assert re.fullmatch(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", key), path


def test_supported_languages() -> None:
    assert {*LANGUAGES} == {
        *("da", "de", "en", "es", "fr", "it", "nb", "nl", "pl", "pt-BR", "sv"),
        "zh-Hans",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_hold_the_same_texts(language: str) -> None:
    english, other = (
        dict(strings(translations("en"))),
        dict(strings(translations(language))),
    )
    assert english.keys() == other.keys()
    for path, text in english.items():
        for what in (r"{\w+}", r"`[^`]+`", r"]\("):
            placeholders = set(re.findall(what, text))
            assert placeholders == set(re.findall(what, other[path])), path


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_nothing_is_left_in_english(language: str) -> None:
    other = dict(strings(translations(language)))
    same = {
        text
        for path, text in strings(translations("en"))
        # Placeholders with punctuation alone are no words.
        if other[path] == text and re.search(r"[^\W\d_]", re.sub(r"{\w+}", "", text))
    }
    allowed = {text for text, where in COGNATES.items() if language in where}
    assert same - NAMES == allowed


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_buttons_and_menus_are_called_by_their_names(language: str) -> None:
    english = dict(strings(translations("en")))
    other = dict(strings(translations(language)))
    names: dict[str, set[str]] = {}
    for path, text in english.items():
        names.setdefault(text, set()).add(other[path])
    # A blueprint, whose name no language translates
    del names["Take your keycard"]
    seen = 0
    for path, text in english.items():
        emphasized = re.findall(EMPHASIS, other[path])
        assert len(emphasized) == len(re.findall(EMPHASIS, text)), path
        for name in set(re.findall(EMPHASIS, text)) & names.keys():
            assert names[name] & set(emphasized), (path, name)
            seen += 1
    assert seen


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("table", ["triggers", "conditions"])
def test_the_automation_editor_finds_each_by_tesla_and_by_keycard(
    table: str, language: str
) -> None:
    content = dict(strings(translations(language)))
    for key in keys_at(translations("en"), table):
        # The search compares words with the name and the description, and nothing else.
        shown = (
            f"{content[f'{table}.{key}.name']} {content[f'{table}.{key}.description']}"
        )
        # It tolerates an inflected ending.
        assert "Tesl" in shown, key
        assert "Keycard" in shown, key


# Letters in the title bar of a dialog at a width of 390 px
MAX_TITLE = 29

# Location of the texts of each flow
FLOWS = (
    ("config",),
    ("options",),
    ("config_subentries", "bluetooth_key"),
    ("config_subentries", "receiver"),
)


def test_every_form_and_its_fields_are_described() -> None:
    english = translations("en")
    for flow in FLOWS:
        for step in keys_at(english, *flow, "step"):
            assert keys_at(english, *flow, "step", step, "data_description") == keys_at(
                english, *flow, "step", step, "data"
            ), step


@pytest.mark.parametrize("language", LANGUAGES)
def test_titles_of_forms_fit_on_a_phone(language: str) -> None:
    for path, text in strings(translations(language)):
        if ".step." in path and path.endswith(".title") and "issues" not in path:
            wide = sum(east_asian_width(character) in "WF" for character in text)
            assert len(text) + wide <= MAX_TITLE, path


@pytest.mark.parametrize("flow", [FLOWS[0], FLOWS[2]])
def test_whatever_becomes_of_a_pairing_is_said(flow: tuple[str, ...]) -> None:
    errors = keys_at(translations("en"), *flow, "error")
    ends = {end.value for end in PairingResult} - {PairingResult.PAIRED.value}
    assert ends | {LISTENS_ONLY, KEY_FILE} <= errors
    assert keys_at(translations("en"), *flow, "progress") == {"asking", "tapping"}


def test_subentry_types_have_names() -> None:
    added = keys_at(translations("en"), "config_subentries", SUBENTRY_BLUETOOTH_KEY)
    assert {"entry_type", "initiate_flow"} <= added


def test_steps_aborts_and_errors_of_the_flows_have_texts() -> None:
    english = translations("en")
    missing: list[str] = []
    for path, node in calls():
        if path.name != "config_flow.py" and "flow" not in path.as_posix():
            continue
        for function, argument, table in (
            ("async_show_form", "step_id", "step"),
            ("async_show_menu", "step_id", "step"),
            ("async_abort", "reason", "abort"),
        ):
            if function_name(node) != function:
                continue
            key = string_argument(node, argument)
            if key is None or (table == "abort" and key in CENTRAL_ABORTS):
                continue
            if not any(has_path(english, *flow, table, key) for flow in FLOWS):
                missing.append(f"{path}:{node.lineno}: {table}.{key}")
    assert missing == []


def translated_in(path: Path, node: ast.Call) -> list[tuple[str, ...]]:
    """Yield the tables that may contain the translation key of a call."""
    name = function_name(node)
    if name.endswith(("Error", "Failed", "NotReady")):
        return [("exceptions",)]
    if name == "async_create_issue":
        return [("issues",)]
    if name.endswith("SelectorConfig"):
        return [("selector",)]
    if name.endswith("DeviceInfo"):
        return [("device",)]
    if name.endswith("Description") and path.stem in set(Platform):
        return [("entity", path.stem)]
    entities = [("entity", platform.value) for platform in Platform]
    return [("exceptions",), ("issues",), ("selector",), ("device",), *entities]


def test_every_reason_for_a_command_not_done_has_a_text() -> None:
    known = keys_at(translations("en"), "exceptions")
    assert {refusal.value for refusal in CommandRejection} <= known
    assert set(commands._ERRORS.values()) <= known
    assert set(commands._BLUETOOTH_ERRORS.values()) <= known
    assert {*commands._BLUETOOTH_ERRORS} == {*BluetoothError}
    assert set(commands._KEY_ERRORS.values()) <= known


def test_translation_keys_in_calls_have_texts() -> None:
    english = translations("en")
    seen = 0
    missing: list[str] = []
    for path, node in calls():
        key = string_argument(node, "translation_key")
        if key is None:
            continue
        seen += 1
        if not any(has_path(english, *t, key) for t in translated_in(path, node)):
            missing.append(f"{path}:{node.lineno}: {key}")
    assert seen
    assert missing == []


def test_translation_keys_of_entities_have_texts() -> None:
    english = translations("en")
    missing = [
        f"{path}:{node.lineno}: {node.value.value}"
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "_attr_translation_key"
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and not has_path(english, "entity", path.stem, node.value.value)
    ]
    assert missing == []


ATTRIBUTE_VALUES: dict[tuple[str, str, str], Collection[str]] = {
    ("event", "outage", "notice"): {*NoticeType},
    ("event", "outage", "status"): {*Status},
    ("event", "outage", "scope"): {*Scope},
    ("sensor", "last_outage", "status"): {*OUTAGES},
    ("sensor", "last_outage", "scope"): {*Scope},
    ("sensor", "last_outage_length", "status"): {*OUTAGES},
    ("sensor", "last_outage_length", "scope"): {*Scope},
    ("sensor", "status", "planes"): {*Subsystem},
    ("sensor", "status", "elsewhere"): {*REGIONS},
    ("sensor", "status", "models"): {*MODEL_NAMES, UNKNOWN_MODEL},
    ("sensor", "status", "missing"): {*MissingEvidence},
    ("sensor", "connection", "reachable"): {"true", "false"},
    ("sensor", "connection", "screen_over_bluetooth"): {"true", "false"},
}


@pytest.mark.parametrize(("platform", "key", "attribute"), ATTRIBUTE_VALUES)
def test_values_of_attributes_have_texts(
    platform: str, key: str, attribute: str
) -> None:
    path = ("entity", platform, key, "state_attributes", attribute, "state")
    values = ATTRIBUTE_VALUES[platform, key, attribute]
    assert keys_at(translations("en"), *path) == values


def test_whether_a_drill_is_shown_is_answered_by_yes_or_no() -> None:
    shown = [
        path
        for path, _ in strings(translations("en"))
        if ".state_attributes.drill." in path
    ]
    entities = {path.partition(".state_attributes.")[0] for path in shown}
    parts = ("name", "state.true", "state.false")
    assert sorted(shown) == sorted(
        f"{entity}.state_attributes.drill.{part}"
        for entity in entities
        for part in parts
    )


@pytest.mark.parametrize("table", ["exceptions", "issues"])
def test_no_text_is_left_over(table: str) -> None:
    words = {
        node.value
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert keys_at(translations("en"), table) - words == set()


def test_icons_belong_to_something() -> None:
    icons, english = read_json(KEYCARD / "icons.json"), translations("en")
    assert all(text.startswith("mdi:") for _, text in strings(icons))
    for platform in keys_at(icons, "entity"):
        for key in keys_at(icons, "entity", platform):
            assert has_path(english, "entity", platform, key), f"{platform}.{key}"
            assert keys_at(icons, "entity", platform, key, "state") <= keys_at(
                english, "entity", platform, key, "state"
            ) | {"on", "off", "locked", "unlocked"}, f"{platform}.{key}"


@pytest.mark.parametrize(
    ("table", "icon"),
    [("services", "service"), ("triggers", "trigger"), ("conditions", "condition")],
)
def test_actions_triggers_and_conditions_are_described(table: str, icon: str) -> None:
    path = KEYCARD / f"{table}.yaml"
    described = yaml.safe_load(path.read_text()) if path.exists() else {}
    names = {name for name in described if not name.startswith(".")}
    english, icons = translations("en"), read_json(KEYCARD / "icons.json")
    assert keys_at(english, table) == names
    assert keys_at(icons, table) == names
    for name in names:
        assert has_path(icons, table, name, icon), name
        assert keys_at(english, table, name) >= {"name", "description"}, name
        fields = set((described[name] or {}).get("fields", {}))
        assert keys_at(english, table, name, "fields") == fields, name


def test_code_registers_the_actions_that_are_described() -> None:
    registers = any(
        function_name(node)
        in {"async_register", "async_register_platform_entity_service"}
        and path.name == "services.py"
        for path, node in calls()
    )
    assert registers == (KEYCARD / "services.yaml").exists()
