"""Names and errors from outside are escaped wherever a text is Markdown."""

import re
from string import printable

from markdown_it import MarkdownIt
import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.template import Template
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.drill.report import (
    AutomationResult,
    NotificationResult,
    Readiness,
    VehicleReadiness,
)
from custom_components.keycard.notifications.markdown import escape_markdown
from custom_components.keycard.notifications.text import async_load_translations
from custom_components.keycard.vehicle.keys import PhysicalKey

from .conftest import car_of, state_of
from .repository_files import strings, translations
from .test_dashboard import dashboard, markdown

EVIL = "[x](https://evil.example/) ![](http://evil.example/p)"
NAMES = [
    EVIL,
    "**Ada**",
    "<b>Ada</b> &amp; #1",
    "`Ada` _Cy_ ~~Bo~~",
    "1. Ada's | www.a.b",
]
# Text that a renderer would turn into a link.
BARE = re.compile(r"(https?://|www\.|\w@\w)")


def descriptions(language: str) -> dict[str, str]:
    """Return the descriptions of the repairs by key."""
    return {
        path.split(".")[1]: text
        for path, text in strings(translations(language))
        if path.startswith("issues.") and path.endswith(".description")
    }


def rendered_text(text: str, *allowed: str) -> str:
    """Render Markdown and return its text; fail for markup that is not allowed."""
    assert not BARE.search(text)
    shown: list[str] = []
    for block in (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    ):
        for token in block.children or ():
            assert token.type in {"text", "text_special", "softbreak", *allowed}, token
            shown.append(token.content)
    return "".join(shown)


@pytest.mark.parametrize("name", [*NAMES, "".join(printable.split())])
def test_a_name_is_rendered_as_its_letters(name: str) -> None:
    assert rendered_text(f"x {escape_markdown(name)} y") == f"x {name} y"


def test_a_name_stays_in_its_line() -> None:
    assert escape_markdown("Ada\n\n# Cy\t") == r"Ada \# Cy"


async def test_the_repair_that_asks_to_pair_names_a_car_by_its_letters(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    car.vehicle.set_label(EVIL)
    car.vehicle.update_pairing(paired=False)
    hass.config_entries.async_update_entry(account, title=EVIL)
    await account.runtime_data.host_poller.async_check()
    issue = ir.async_get(hass).async_get_issue(
        "keycard", f"{account.entry_id}_key_not_paired"
    )
    assert issue is not None
    for language in ("en", "de"):
        text = descriptions(language)["key_not_paired"]
        issue_text = text.format(**issue.translation_placeholders or {})
        link = f"](https://tesla.com/_ak/?vin={car.vehicle.id})"
        assert link in issue_text
        assert (
            rendered_text(issue_text.replace(link, "]").replace("- [", "- ")).count(
                EVIL
            )
            == 2
        )


@pytest.mark.parametrize("language", ["en", "de", "zh-Hans"])
def test_descriptions_of_repairs_hold_escaped_names_only(language: str) -> None:
    for text in descriptions(language).values():
        names = set(re.findall(r"{(\w+)}", text))
        assert not names & {"entry", "cars"}


async def test_the_report_of_a_drill(hass: HomeAssistant) -> None:
    words = await async_load_translations(hass)
    listener = AutomationResult(
        entity_id="automation.a", name=EVIL, triggered=True, disabled=False
    )
    car = VehicleReadiness(
        name=EVIL,
        key=PhysicalKey.KEYCARD,
        key_configured=True,
        key_tried=None,
        pin_to_drive=None,
        bluetooth=None,
    )
    result = NotificationResult(automations=(listener,), receivers=(EVIL,))
    report = Readiness(notifications=result, vehicles=(car,)).as_markdown(words)
    # Its own texts contain emphasis.
    allowed = ("em_open", "em_close", "strong_open", "strong_close")
    assert rendered_text(report, *allowed).count(EVIL) == 3


async def test_the_notice_on_the_dashboard(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    event = next(one for one in hass.states.async_entity_ids("event"))
    shown = state_of(hass, event)
    hass.states.async_set(
        event,
        shown.state,
        {**shown.attributes, "title": '"><b>', "text": f"Take {EVIL}\nand go"},
    )
    (view,) = (await dashboard(hass))["views"]
    content = next(text for text in markdown(view) if "ha-alert" in text)
    rendered = Template(content, hass).async_render(parse_result=False)
    assert "<b>" not in rendered
    body = rendered.partition("\n\n")[2].rpartition("\n\n")[0]
    assert rendered_text(body) == f"Take {EVIL}and go"
