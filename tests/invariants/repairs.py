"""Repair issues of Keycard, and checks of them."""

from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.issue_registry import IssueEntry
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from tests.repository_files import strings, translations

from .home import HomeUnderTest


def repairs(home: HomeUnderTest) -> dict[str, IssueEntry]:
    """Return the active repairs by translation key."""
    issues = ir.async_get(home.hass).issues.values()
    return {
        issue.translation_key or "": issue
        for issue in issues
        if issue.domain == DOMAIN and issue.active
    }


def assert_only_repair(
    home: HomeUnderTest, entry: MockConfigEntry, key: str
) -> dict[str, str]:
    """Check the only repair, and return its placeholders."""
    (issue,) = repairs(home).values()
    assert issue.translation_key == key
    assert issue.issue_id == f"{entry.entry_id}_{key}"
    assert issue.is_fixable is False
    assert (issue.learn_more_url or "").startswith("https://")
    vins = [car.vin for car in home.simulator.cars.values()]
    assert not any(vin in issue.issue_id for vin in vins)
    names = dict(issue.translation_placeholders or {})
    for language in ("en", "de"):
        for path, text in strings(translations(language)):
            if path.startswith(f"issues.{key}."):
                assert text.format(**names)
    return names
