"""Integrations that are compared, and the packages that they need."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys


@dataclass(frozen=True, kw_only=True)
class Integration:
    """An integration, and how it is set up."""

    title: str
    domain: str = "keycard"
    provider: str | None = None
    """Provider of Keycard."""

    third_party: str | None = None
    """Third party that answers the calls, None for Tesla."""

    account: bool = True
    model: str = "model3"
    year: int = 2022

    @property
    def is_keycard(self) -> bool:
        """Return whether it is Keycard."""
        return self.domain == "keycard"


INTEGRATIONS = {
    "keycard-watching": Integration(
        title="Keycard, watching", provider="watch_only", account=False
    ),
    "keycard-fleet": Integration(title="Keycard, Fleet API", provider="fleet"),
    "keycard-teslemetry": Integration(
        title="Keycard, Teslemetry", provider="teslemetry", third_party="teslemetry"
    ),
    "keycard-tessie": Integration(
        title="Keycard, Tessie", provider="tessie", third_party="tessie"
    ),
    "tesla_fleet": Integration(title="Tesla Fleet", domain="tesla_fleet"),
    "teslemetry-streaming": Integration(
        title="Teslemetry, streaming", domain="teslemetry", third_party="teslemetry"
    ),
    # Teslemetry polls only cars that cannot stream.
    "teslemetry-polling": Integration(
        title="Teslemetry, polling",
        domain="teslemetry",
        third_party="teslemetry",
        model="models",
        year=2018,
    ),
    "tessie": Integration(title="Tessie", domain="tessie", third_party="tessie"),
}


class PackagesError(Exception):
    """Error raised when packages cannot be installed."""


def missing_requirements(domain: str) -> list[str]:
    """Return the requirements of an integration that are not installed."""
    manifest = _home_assistant() / "components" / domain / "manifest.json"
    if not manifest.exists():
        return []  # Keycard, whose requirements are in the environment
    found = []
    for requirement in json.loads(manifest.read_text()).get("requirements", ()):
        name, _, wanted = requirement.partition("==")
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = None
        if installed != wanted:
            found.append(requirement)
    return found


def install_packages(requirements: list[str]) -> Path:
    """Return a folder beside the environment that holds packages, installed if need be.

    Raise PackagesError if they cannot be installed.
    """
    checks = Path(sys.prefix).parent / "checks"
    names = "-".join(sorted(requirements)).replace("==", "-")
    folder = checks / f"peers-{version('homeassistant')}-{names}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.part")
    # What these packages need themselves is in the environment: Home Assistant has it.
    command = [
        *(str(Path(sys.prefix, "bin", "uv")), "pip", "install", "--quiet", "--no-deps"),
        *("--python", sys.executable, "--target", str(partial)),
        *("--constraint", str(_home_assistant() / "package_constraints.txt")),
        *requirements,
    ]
    cache = os.environ.get("UV_CACHE_DIR", str(checks.parent / "uv-cache"))
    try:
        subprocess.run(  # noqa: S603 - no shell, names from Home Assistant's manifests
            command,
            env={**os.environ, "UV_CACHE_DIR": cache},
            capture_output=True,
            text=True,
            check=True,
        )
        partial.rename(folder)
    except subprocess.CalledProcessError as err:
        raise PackagesError(err.stderr.strip()[-500:]) from err
    except OSError as err:
        raise PackagesError(str(err)) from err
    return folder


def _home_assistant() -> Path:
    spec = find_spec("homeassistant")
    if spec is None or not spec.submodule_search_locations:
        raise PackagesError("Home Assistant is not installed")
    return Path(spec.submodule_search_locations[0])
