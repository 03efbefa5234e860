"""The wall view is read from three metres, and follows its cars."""

import asyncio
from io import BytesIO
import json
from pathlib import Path
import shutil
import subprocess
from typing import Any

from PIL import Image
import pytest

from homeassistant.components.frontend import (
    DATA_EXTRA_MODULE_URL,
    add_extra_js_url,
    remove_extra_js_url,
)
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard import coordinator, dashboard
from tests.conftest import WATCHED_CARS, SetUp, assessment_status, until
from tests.repository_files import LANGUAGES, strings, translations

from .conftest import WALL, Frontend

KEY_TEXT_PIXELS = 60
SMALL = 0.2
# From outside: it must be shown as it is.
NAME = "<b>Bo</b> *&amp;"
CARS = {
    **WATCHED_CARS,
    "bo": {"name": NAME, "model": "modely", "year": 2023, "key": "keycard"},
}
KEYS = ["Usual key", "Take the keycard", "Take the key fob"]
TIMED_OUT = """visible().some(
    (element) => ownText(element).includes("Timeout waiting for strategy")
)"""

BANNERS = """
return visible("keycard-key-card").map((card) => {
  const key = card.shadowRoot.querySelector(".key");
  const box = card.getBoundingClientRect();
  return {
    name: card.shadowRoot.querySelector(".name").textContent,
    key: key.textContent,
    level: card.shadowRoot.querySelector(".banner").classList[1],
    pixels: parseFloat(getComputedStyle(key).fontSize),
    top: box.top,
    bottom: box.bottom,
    right: box.right,
  };
});
"""
FITS_A_PHONE = """(() => {
  const boxes = (name) => visible(name).map((card) => card.getBoundingClientRect());
  const banners = boxes("keycard-key-card");
  const others = boxes("hui-tile-card").map((box) => box.top);
  return innerWidth === 390 && document.documentElement.scrollWidth <= 390
    && banners.length === 3 && others.length
    && banners.every((box) => box.right <= 390
      && box.bottom < Math.min(...others, innerHeight));
})()"""

# Texts of tiles of half and of full width.
HALF = tuple(
    f"entity.sensor.{key}." for key in ("outage_since", "scope", "last_contact")
)
FULL = (
    "entity.binary_sensor.api_reachable.",
    *(f"entity.sensor.{key}." for key in ("status", "uptime_30_days", "connection")),
)
# Returns the texts that do not fit into the narrowest or into the widest tile.
CUT_TEXTS = """
const parts = visible("hui-tile-card").flatMap((tile) => everything(tile.shadowRoot));
const name = parts.filter((part) => part.className === "primary");
const state = parts.filter((part) => part.localName === "state-display");
const width = (part) => part.parentElement.clientWidth;
const limit = Math[MOST](...name.map(width));
return TEXTS.filter(([kind, text]) => {
  const probe = document.createElement("span");
  probe.textContent = text;
  const style = getComputedStyle({name, state}[kind][0]);
  for (const property of ["font", "letterSpacing"]) {
    probe.style[property] = style[property];
  }
  probe.style.position = "absolute";
  probe.style.whiteSpace = "nowrap";
  document.body.append(probe);
  const cut = probe.getBoundingClientRect().width > limit;
  probe.remove();
  return cut;
});
"""


@pytest.fixture
async def three_cars(
    hass: HomeAssistant,
    watching_entry: MockConfigEntry,
    set_up: SetUp,
    wall: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Set up three cars that need different keys."""
    # Entities write their states once a minute, and when the assessment changes.
    monkeypatch.setattr(coordinator, "REFRESH_INTERVAL", 3600.0)
    entry = MockConfigEntry(
        domain=watching_entry.domain,
        title=watching_entry.title,
        data=dict(watching_entry.data),
        options={**watching_entry.options, "cars": CARS},
    )
    await set_up(entry)
    await until(hass, lambda: assessment_status(entry) == "operational")
    hass.states.async_set("sensor.ada_key_to_take", "keycard")
    hass.states.async_set("sensor.cy_key_to_take", "fob")


async def banners(frontend: Frontend, count: int = 3) -> list[dict[str, Any]]:
    """Return what the banners show and where, once they are drawn."""
    await frontend.page.until(f"return visible('keycard-key-card').length === {count}")
    found: list[dict[str, Any]] = await frontend.page.evaluate(BANNERS)
    return found


def module_url(hass: HomeAssistant) -> str:
    """Return the address of the module that pages load."""
    (url,) = (url for url in hass.data[DATA_EXTRA_MODULE_URL].urls if "keycard" in url)
    return url


def read(picture: bytes) -> str:
    """Return the text that tesseract reads in a picture scaled down."""
    image = Image.open(BytesIO(picture)).convert("L")
    small = image.resize(
        (round(image.width * SMALL), round(image.height * SMALL)), Image.Resampling.BOX
    )
    # It expects larger letters; enlarging adds nothing to what is seen.
    large = small.resize((small.width * 4, small.height * 4), Image.Resampling.LANCZOS)
    content = BytesIO()
    large.save(content, "PNG")
    found = subprocess.run(
        ["tesseract", "-", "-", "--psm", "6"],
        input=content.getvalue(),
        capture_output=True,
        check=True,
    )
    return found.stdout.decode()


async def test_three_cars(frontend: Frontend, three_cars: None) -> None:
    """On a tablet all are visible without scrolling, on a phone they come first."""
    await frontend.open(WALL)
    shown = await banners(frontend)
    assert [banner["name"] for banner in shown] == [NAME, "Ada", "Cy"]
    assert [banner["key"] for banner in shown] == KEYS
    assert [banner["level"] for banner in shown] == ["usual", "take", "take"]
    for banner in shown:
        assert banner["pixels"] >= KEY_TEXT_PIXELS
        assert 0 <= banner["top"] < banner["bottom"] <= 800
    if shutil.which("tesseract"):
        text = await asyncio.to_thread(read, await frontend.page.picture())
        for key in KEYS:
            assert key in text
    await frontend.page.resize(390, 844, mobile=True)
    await frontend.page.until(f"return {FITS_A_PHONE}")


@pytest.mark.parametrize(("tiles", "width"), [(HALF, "min"), (FULL, "max")])
async def test_no_text_of_a_tile_is_cut_on_a_phone(
    hass: HomeAssistant,
    frontend: Frontend,
    three_cars: None,
    tiles: tuple[str, ...],
    width: str,
) -> None:
    hass.states.async_set("binary_sensor.tesla_cloud_outage", "on")
    await frontend.open(WALL, 390, 844)
    await frontend.page.until("return visible('hui-tile-card').length >= 5")
    await frontend.page.until("return document.fonts.status === 'loaded'")
    texts = [
        ("state" if ".state." in path else "name", text)
        for language in LANGUAGES
        for path, text in strings(translations(language))
        if path.startswith(tiles) and ".state_attributes." not in path
    ]
    assert len(texts) > 10 * len(LANGUAGES)
    script = CUT_TEXTS.replace("MOST", json.dumps(width))
    cut = await frontend.page.evaluate(script.replace("TEXTS", json.dumps(texts)))
    assert cut == []


async def test_an_update_is_loaded(
    hass: HomeAssistant,
    frontend: Frontend,
    three_cars: None,
    module: Path,
) -> None:
    """Browsers store the module for a month, under its address."""
    await frontend.open(WALL)
    await banners(frontend)
    text = module.read_text()
    changed = text.replace('"span", "key", text', '"span", "key", "New"')
    assert changed != text
    module.write_text(changed)
    remove_extra_js_url(hass, module_url(hass))
    add_extra_js_url(hass, await dashboard._async_module_url(hass))
    await frontend.open(WALL)
    await frontend.page.until("return withText('New').length === 3")


@pytest.mark.parametrize("when", ["early", "late"])
async def test_the_page_does_not_depend_on_when_the_module_comes(
    hass: HomeAssistant, frontend: Frontend, three_cars: None, when: str
) -> None:
    """Home Assistant replaces the elements when it starts, and waits five seconds."""
    address = module_url(hass)
    if when == "early":
        await frontend.page.call(
            "Page.addScriptToEvaluateOnNewDocument", {"source": f"import('{address}')"}
        )
        await frontend.open(WALL)
    else:
        await frontend.page.call("Network.enable", {})
        await frontend.page.call("Network.setBlockedURLs", {"urls": ["*/keycard.js*"]})
        await frontend.open(WALL)
        await frontend.page.until(f"return {TIMED_OUT}")
        await frontend.page.call("Network.setBlockedURLs", {"urls": []})
        # The browser remembers that the address failed.
        await frontend.page.evaluate(f"await import('{address}&again')")
    await banners(frontend)
