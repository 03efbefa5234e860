"""README and docs/ are short, linked, and name things as the integration does."""

from collections.abc import Iterable
import importlib
from pathlib import Path
import re
from typing import Any

import pytest

from homeassistant.const import Platform
from homeassistant.helpers.entity import EntityDescription

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.outage.endpoints import default_hosts

from .repository_files import KEYCARD, ROOT, strings, translations

DOCS = ROOT / "docs"
PAGES = {
    "architecture.md",
    "automations.md",
    "beside-another-integration.md",
    "bluetooth.md",
    "dashboard.md",
    "developing.md",
    "entities.md",
    "how-it-decides.md",
    "notifications-and-drills.md",
    "polling-and-cost.md",
    "privacy-and-security.md",
    "set-up-services.md",
    "set-up-tesla.md",
    "troubleshooting.md",
}
DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
MAX_README = 9_000
FENCE = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings as GitHub makes them."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    }


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading of a page."""
    _, _, below = (DOCS / name).read_text().partition(f"\n{heading}\n")
    table = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert table is not None, heading
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def names(*path: str) -> set[str]:
    """Return the English texts of a table."""
    found: Any = translations("en")
    for key in path:
        found = found[key]
    return {str(text) for text in found.values()}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MAX_README


def test_every_page_is_there_and_the_readme_leads_to_it() -> None:
    assert {path.name for path in DOCS.glob("*.md")} == PAGES
    linked = re.findall(r"\]\(docs/([\w-]+\.md)", (ROOT / "README.md").read_text())
    assert set(linked) == PAGES


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = prose(path)
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    for target in (first or second for first, second in targets):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other), target


def _descriptions(value: object) -> Iterable[EntityDescription]:
    if isinstance(value, EntityDescription):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _descriptions(item)
    elif isinstance(value, dict):
        yield from _descriptions(list(value.values()))


def test_every_entity_is_documented_with_its_default() -> None:
    enabled: dict[tuple[str, str], bool] = {}
    for platform in Platform:
        if not (KEYCARD / f"{platform.value}.py").exists():
            continue
        module = importlib.import_module(f"custom_components.{DOMAIN}.{platform.value}")
        for one in _descriptions(list(vars(module).values())):
            key = one.translation_key or one.key
            enabled[platform.value, key] = one.entity_registry_enabled_default
    documented = {
        (domain, name): state == "yes"
        for heading in ("## The cloud", "## Each car")
        for domain, name, state, _ in rows("entities.md", heading)
    } | {
        (domain, name): False
        for domain, name, _ in rows("entities.md", "### Disabled by default")
    }
    named = {
        (domain, key): text
        for path, text in strings(translations("en"))
        if re.fullmatch(r"entity\.\w+\.\w+\.name", path)
        for _, domain, key, _ in [path.split(".")]
    }
    # Home Assistant names the battery by its device class.
    assert documented.keys() - {("sensor", "Battery")} == {
        (domain, text) for (domain, _), text in named.items()
    }
    for (domain, key), state in enabled.items():
        if name := named.get((domain, key)):
            assert documented[domain, name] is state, (domain, name)


@pytest.mark.parametrize(
    ("heading", "sensor"), [("### Status", "status"), ("### Connection", "connection")]
)
def test_every_state_is_explained(heading: str, sensor: str) -> None:
    explained = {row[0] for row in rows("entities.md", heading)}
    assert explained == names("entity", "sensor", sensor, "state")


def test_the_readme_explains_each_status_once() -> None:
    readme = (ROOT / "README.md").read_text()
    for status in names("entity", "sensor", "status", "state"):
        assert readme.count(f"\n| {status} |") == 1, status


@pytest.mark.parametrize("table", ["triggers", "conditions"])
def test_every_trigger_and_condition_is_documented(table: str) -> None:
    documented = {
        name.strip()
        for row in rows("automations.md", f"## {table.title()}")
        for name in row[0].split(", ")
    }
    content: Any = translations("en")
    assert documented == {item["name"] for item in content[table].values()}


def test_every_action_is_documented() -> None:
    documented = {
        name
        for row in rows("automations.md", "## Actions")
        for name in re.findall(r"`keycard\.(\w+)`", row[0])
    }
    content: Any = translations("en")
    assert documented == set(content["services"])


def test_every_way_to_set_up_is_documented() -> None:
    pages = "".join(path.read_text() for path in DOCUMENTS)
    for step in ("user", "connect", "server"):
        for name in names("config", "step", step, "menu_options"):
            assert name in pages, name


def test_every_setting_is_documented() -> None:
    documented = {
        name.strip()
        for row in rows("beside-another-integration.md", "## Change settings")
        for name in row[0].split(", ")
    }
    assert documented == names("options", "step", "init", "menu_options")


def test_every_blueprint_is_documented() -> None:
    documented = {
        row[0] for row in rows("notifications-and-drills.md", "## Blueprints")
    }
    found = {
        re.findall(r"^  name: \"?([^\"\n]+)", path.read_text(), re.MULTILINE)[0]
        for path in (KEYCARD / "blueprints" / "automation").glob("*.yaml")
    }
    assert documented == found


@pytest.mark.parametrize("region", ["na", "eu", "cn"])
def test_every_requested_server_is_documented(region: str) -> None:
    page = (DOCS / "polling-and-cost.md").read_text()
    for host in re.findall(r"https?://([\w.-]+)", str(default_hosts(region))):
        assert f"`{host}`" in page, host
