"""Internals of Home Assistant that Keycard uses and that may change without notice."""

import ast
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
import inspect
import logging
from pathlib import Path
import textwrap
import warnings

import pytest

from homeassistant.components.automation import AutomationEntity
from homeassistant.components.conversation.agent_manager import AgentManager
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    condition,
    config_entry_oauth2_flow,
    restore_state,
    trigger,
)

from custom_components.keycard import PLATFORMS

from .repository_files import KEYCARD

# Private modules of Home Assistant: the names imported from each, and the only module
# of Keycard that may do so.
IMPORTED: dict[str, dict[str, str]] = {
    "homeassistant.components.automation": {
        "AutomationEntity": "blueprint_installer",
        "DATA_COMPONENT": "blueprint_installer",
        "DOMAIN": "blueprint_installer",
        "EVENT_AUTOMATION_TRIGGERED": "listeners",
        "automations_with_blueprint": "blueprint_installer",
        "automations_with_device": "listeners",
        "automations_with_entity": "listeners",
    },
    "homeassistant.components.automation.config": {
        "AUTOMATION_BLUEPRINT_SCHEMA": "blueprint_installer",
    },
    "homeassistant.components.automation.helpers": {
        "async_get_blueprints": "blueprint_installer",
    },
    "homeassistant.components.blueprint.const": {
        "CONF_INPUT": "blueprint_installer",
        "CONF_USE_BLUEPRINT": "blueprint_installer",
    },
    "homeassistant.components.blueprint.models": {"Blueprint": "blueprint_installer"},
    "homeassistant.components.conversation": {"get_agent_manager": "sentences"},
    "homeassistant.components.frontend.storage": {"async_user_store": "delivery"},
    "homeassistant.components.mobile_app.util": {
        "get_notify_service": "delivery",
        "webhook_id_from_device_id": "delivery",
    },
    "homeassistant.config_entries": {"SIGNAL_CONFIG_ENTRY_CHANGED": "registry"},
    "homeassistant.helpers.automation": {"DomainSpec": "entity_filter"},
    "homeassistant.helpers.condition": {
        "Condition": "condition",
        "ConditionConfig": "condition",
        "ENTITY_STATE_CONDITION_SCHEMA_ANY_ALL": "condition",
        "EntityStateConditionBase": "condition",
    },
    "homeassistant.helpers.restore_state": {
        "StoredState": "trigger",
        "async_get": "trigger",
    },
    "homeassistant.helpers.target": {
        "TargetStateChangedData": "trigger",
        "async_track_target_selector_state_change_event": "trigger",
    },
    "homeassistant.helpers.trigger": {
        "ENTITY_STATE_TRIGGER_SCHEMA": "trigger",
        "EntityTargetStateTriggerBase": "trigger",
        "EntityTransitionTriggerBase": "trigger",
        "EntityTriggerBase": "trigger",
        "NotTriggeredReasonReporter": "trigger",
        "StatelessEntityTriggerBase": "trigger",
        "Trigger": "trigger",
        "TriggerActionRunner": "trigger",
        "TriggerConfig": "trigger",
        "TriggerNotTriggeredReporter": "trigger",
    },
}
# Private members of Home Assistant's classes, and the modules that use them.
PRIVATE: dict[str, set[str]] = {
    "_blueprint_inputs": {"blueprint_installer"},
    "_domain_specs": {"condition", "trigger"},
    "_duration": {"trigger"},
    "_from_states": {"trigger"},
    "_options": {"trigger"},
    "_primary_entities_only": {"trigger"},
    "_schema": {"condition", "trigger"},
    "_states": {"condition"},
    "_target": {"trigger"},
    "_to_states": {"trigger"},
    "_token_lock": {"oauth"},
}
# Members of some versions only are looked up by name.
BY_NAME = {"async_get_stored_state": "trigger", "last_states": "trigger"}
# Most of these modules is public.
PARTLY_PUBLIC = {
    "homeassistant.components.conversation",
    "homeassistant.config_entries",
}
MODULES = sorted(KEYCARD.rglob("*.py"))


def imports(path: Path) -> set[tuple[str, str]]:
    return {
        (node.module, alias.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


def test_private_api_is_used_in_one_place() -> None:
    found: dict[str, dict[str, set[str]]] = {module: {} for module in IMPORTED}
    for path in MODULES:
        for module, name in imports(path):
            if module in PARTLY_PUBLIC and name not in IMPORTED[module]:
                continue
            if module in IMPORTED:
                found[module].setdefault(name, set()).add(path.stem)
    assert found == {
        module: {name: {place} for name, place in names.items()}
        for module, names in IMPORTED.items()
    }


def test_private_members_are_only_used_in_listed_modules() -> None:
    found: dict[str, set[str]] = {}
    by_name: dict[str, set[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(attr=name) if name in PRIVATE:
                    found.setdefault(name, set()).add(path.stem)
                case ast.ClassDef():
                    for name in PRIVATE.keys() & set(assigned(node)):
                        found.setdefault(name, set()).add(path.stem)
                case ast.Constant(value=str(name)) if name in BY_NAME:
                    by_name.setdefault(name, set()).add(path.stem)
    # Keycard's own attributes may have such a name, too, in no module of these bases.
    bases = {"blueprint_installer", "condition", "oauth", "trigger"}
    assert {name: places & bases for name, places in found.items()} == PRIVATE
    assert by_name == {name: {place} for name, place in BY_NAME.items()}


def assigned(node: ast.ClassDef) -> list[str]:
    return [
        target.id
        for one in node.body
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    ]


def test_the_installed_home_assistant_has_all_used_members() -> None:
    for module, names in IMPORTED.items():
        for name in names:
            assert hasattr(import_module(module), name), f"{module}.{name}"
    assert callable(AgentManager.register_trigger)
    defined = {
        name
        for base in (
            AutomationEntity,
            condition.EntityStateConditionBase,
            trigger.EntityTransitionTriggerBase,
            trigger.StatelessEntityTriggerBase,
            config_entry_oauth2_flow.OAuth2Session,
        )
        for one in base.__mro__
        if one is not object
        for name in {*vars(one), *one.__annotations__, *set_in(one)}
    }
    assert set(PRIVATE) <= defined


def set_in(cls: type) -> set[str]:
    """Return the attributes that methods of a class set on an instance."""
    return {
        node.attr
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_stored_data_of_an_entity_are_found(hass: HomeAssistant) -> None:
    # Every version has one of the two.
    data = restore_state.RestoreStateData(hass)
    assert any(hasattr(data, name) for name in BY_NAME)


@pytest.mark.parametrize("name", [*PLATFORMS, "trigger", "condition", "config_flow"])
def test_no_class_is_deprecated(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Home Assistant logs it when a class is created, so each is created once more."""
    spec = spec_from_file_location(
        f"custom_components.keycard.{name}_again", KEYCARD / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    with warnings.catch_warnings(action="error"), caplog.at_level(logging.WARNING):
        spec.loader.exec_module(module_from_spec(spec))
    assert caplog.messages == []
