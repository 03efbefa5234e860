"""The search of the automation editor finds triggers and conditions."""

from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.condition import CONDITIONS
from custom_components.keycard.trigger import TRIGGERS
from tests.repository_files import translations

from .conftest import Frontend

INPUT = "visible('input').at(-1)"
# Only the first five are shown until this is clicked.
SHOWN = 5
MORE = "visible().findLast((element) => /^\\d+ more/.test(ownText(element)))"


async def test_search(frontend: Frontend, watch: MockConfigEntry) -> None:
    texts: Any = translations("en")
    for kind, keys in (("trigger", TRIGGERS), ("condition", CONDITIONS)):
        # The list has only what fits the screen.
        await frontend.open("/config/automation/edit/new", height=2000)
        await frontend.click(f"Add {kind}")
        for word in ("Keycard", "Tesla"):
            await frontend.page.until(f"return {INPUT}?.placeholder === 'Search'")
            await frontend.page.click_element(INPUT)
            await frontend.page.evaluate(f"{INPUT}.select()")
            await frontend.page.type(word)
            if word == "Keycard" and len(keys) > SHOWN:
                await frontend.page.click_element(MORE)
            for key in keys:
                await frontend.find(texts[f"{kind}s"][key]["name"])
