"""Install the automation blueprints of Keycard."""

from hashlib import sha256
import logging
from pathlib import Path

from homeassistant.components.automation import (
    DOMAIN as AUTOMATION_DOMAIN,
    automations_with_blueprint,
)
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_when_setup
from homeassistant.util.yaml.loader import load_yaml_dict

from .const import DOMAIN
from .runtime.storage import VersionedStore

_LOGGER = logging.getLogger(__name__)

BUNDLED_BLUEPRINTS = Path(__file__).parent / "blueprints" / AUTOMATION_DOMAIN
STORE_KEY = f"{DOMAIN}.blueprints"


# The blueprint that notified phones before Keycard did so itself.
OLD_RELAY = f"{DOMAIN}/take_your_keycard.yaml"


@callback
def old_relays(hass: HomeAssistant) -> list[str]:
    """Return the automations that use the old blueprint for notifications."""
    if AUTOMATION_DOMAIN not in hass.config.components:
        return []
    return automations_with_blueprint(hass, OLD_RELAY)


async def async_install_blueprints(hass: HomeAssistant) -> None:
    """Install the blueprints once the automation integration is set up.

    A blueprint that the user edited or deleted is left alone.
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
    """Install a blueprint and return its digest, None if it is left alone.

    `known` is the digest of the file that was installed before.
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
