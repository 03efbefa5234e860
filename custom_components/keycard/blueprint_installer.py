"""Install the automation blueprints of Keycard."""

from hashlib import sha256
import logging
from pathlib import Path
from typing import Any

from homeassistant.components.automation import (
    DATA_COMPONENT,
    DOMAIN as AUTOMATION_DOMAIN,
    AutomationEntity,
    automations_with_blueprint,
)
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint.const import CONF_INPUT, CONF_USE_BLUEPRINT
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.const import STATE_OFF
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_when_setup
from homeassistant.util.yaml.loader import load_yaml_dict

from .const import DOMAIN
from .runtime.storage import VersionedStore

_LOGGER = logging.getLogger(__name__)

BUNDLED_BLUEPRINTS = Path(__file__).parent / "blueprints" / AUTOMATION_DOMAIN
STORE_KEY = f"{DOMAIN}.blueprints"


# Where the blueprint lies that notified phones before Keycard did so itself: installed
# by Keycard, or imported from its repository. It is no longer shipped.
_OLD_RELAYS = tuple(
    f"{folder}/take_your_keycard.yaml" for folder in (DOMAIN, "keycard-ha")
)


@callback
def old_relays(hass: HomeAssistant) -> list[str]:
    """Return the automations that notify with the old blueprint, if turned on."""
    if AUTOMATION_DOMAIN not in hass.config.components:
        return []
    return [
        entity_id
        for path in _OLD_RELAYS
        for entity_id in automations_with_blueprint(hass, path)
        if not hass.states.is_state(entity_id, STATE_OFF)
    ]


@callback
def old_relay_inputs(hass: HomeAssistant) -> list[dict[str, Any]]:
    """Return the inputs of the automations that notify with the old blueprint."""
    if (component := hass.data.get(DATA_COMPONENT)) is None:
        return []
    return [
        dict(config[CONF_USE_BLUEPRINT].get(CONF_INPUT, {}))
        for entity_id in old_relays(hass)
        if isinstance(automation := component.get_entity(entity_id), AutomationEntity)
        if (config := automation._blueprint_inputs) is not None  # noqa: SLF001 - the public configuration no longer has them
    ]


async def async_install_blueprints(hass: HomeAssistant) -> None:
    """Install the blueprints once the automation integration is set up.

    A blueprint that the user edited or deleted is skipped.
    """
    async_when_setup(hass, AUTOMATION_DOMAIN, _async_install)


async def _async_install(hass: HomeAssistant, _component: str) -> None:
    """Install or update all bundled blueprints."""
    store = VersionedStore[dict[str, str]](hass, STORE_KEY)
    try:
        digests = await store.async_load() or {}
        installed = dict(digests)
        for source in await hass.async_add_executor_job(_list_bundled):
            path = f"{DOMAIN}/{source.name}"
            digest = await _async_install_one(hass, source, path, digests.get(path))
            if digest is not None:
                installed[path] = digest
        if installed != digests:
            await store.async_save(installed)
    except (OSError, HomeAssistantError) as err:
        _LOGGER.warning("Failed to install the blueprints: %s", err)


async def _async_install_one(
    hass: HomeAssistant, source: Path, path: str, installed_digest: str | None
) -> str | None:
    """Install a blueprint and return its digest, None if it is skipped.

    `installed_digest` is the digest of the file that was installed before.
    """
    blueprints = async_get_blueprints(hass)
    target = blueprints.blueprint_folder / path
    blueprint = Blueprint(
        await hass.async_add_executor_job(load_yaml_dict, source),
        path=path,
        expected_domain=AUTOMATION_DOMAIN,
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    wanted = _digest(blueprint.yaml())
    current = await hass.async_add_executor_job(_read, target)
    if current is None and installed_digest is not None:
        _LOGGER.debug("Skipping blueprint %s, as it was deleted", path)
        return None
    if current is not None and _digest(current) not in (installed_digest, wanted):
        _LOGGER.debug("Skipping blueprint %s, as it was edited", path)
        return None
    if current is None or _digest(current) != wanted:
        await blueprints.async_add_blueprint(blueprint, path, allow_override=True)
    return wanted


def _list_bundled() -> list[Path]:
    """Return the blueprints that are part of Keycard."""
    return sorted(BUNDLED_BLUEPRINTS.glob("*.yaml"))


def _read(path: Path) -> str | None:
    """Return the content of a file, None if it does not exist."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _digest(text: str) -> str:
    """Return the SHA-256 digest of a text."""
    return sha256(text.encode()).hexdigest()
