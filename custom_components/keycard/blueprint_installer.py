"""Lists Keycard's automation blueprints in Home Assistant."""

from hashlib import sha256
import logging
from pathlib import Path

from homeassistant.components.automation import DOMAIN as AUTOMATION_DOMAIN
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_when_setup
from homeassistant.util.yaml.loader import load_yaml_dict

from .const import DOMAIN
from .runtime.storage import VersionedStore

_LOGGER = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "blueprints" / AUTOMATION_DOMAIN
STORE_KEY = f"{DOMAIN}.blueprints"


async def async_install_blueprints(hass: HomeAssistant) -> None:
    """Install the blueprints as soon as automations can use them.

    A blueprint that the owner has edited or deleted stays as the owner left it.
    """
    async_when_setup(hass, AUTOMATION_DOMAIN, _async_install)


async def _async_install(hass: HomeAssistant, _component: str) -> None:
    """Install or update every shipped blueprint; tell in the log what fails."""
    store = VersionedStore[dict[str, str]](hass, STORE_KEY)
    try:
        known = await store.async_load() or {}
        installed = dict(known)
        for source in await hass.async_add_executor_job(_shipped):
            path = f"{DOMAIN}/{source.name}"
            digest = await _async_install_one(hass, source, path, known.get(path))
            if digest is not None:
                installed[path] = digest
        if installed != known:
            await store.async_save(installed)
    except (OSError, HomeAssistantError) as err:
        _LOGGER.warning("Blueprints could not be installed: %s", err)


async def _async_install_one(
    hass: HomeAssistant, source: Path, path: str, known: str | None
) -> str | None:
    """Install one blueprint, return the digest of the file or None if it is left.

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
    present = await hass.async_add_executor_job(_read, target)
    if present is None and known is not None:
        _LOGGER.debug("Blueprint %s was deleted and stays away", path)
        return None
    if present is not None and _digest(present) not in (known, wanted):
        _LOGGER.debug("Blueprint %s was edited and stays as it is", path)
        return None
    if present is None or _digest(present) != wanted:
        await blueprints.async_add_blueprint(blueprint, path, allow_override=True)
    return wanted


def _shipped() -> list[Path]:
    """List the blueprints that come with Keycard."""
    return sorted(SHIPPED.glob("*.yaml"))


def _read(path: Path) -> str | None:
    """Read a file, None without one."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _digest(text: str) -> str:
    """Return a name for the content of a file."""
    return sha256(text.encode()).hexdigest()
