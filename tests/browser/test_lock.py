"""The lock on the wall view."""

from typing import Any

from homeassistant.components.lock import DOMAIN as LOCK_DOMAIN
from homeassistant.const import EVENT_CALL_SERVICE
from homeassistant.core import Event, HomeAssistant, callback
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import state_of, until

from .conftest import WALL, Frontend

LOCK = "lock.ada_lock"
ICON = f"""visible("ha-tile-icon").find(
    (icon) => icon.getRootNode().host._config.entity === "{LOCK}"
)"""


async def test_one_tap_locks_and_unlocking_asks(
    hass: HomeAssistant, frontend: Frontend, account: MockConfigEntry, wall: None
) -> None:
    calls: list[str] = []

    @callback
    def note(event: Event[dict[str, Any]]) -> None:
        if event.data["domain"] == LOCK_DOMAIN:
            calls.append(event.data["service"])

    hass.bus.async_listen(EVENT_CALL_SERVICE, note)
    assert state_of(hass, LOCK).state == "locked"
    await frontend.open(WALL)
    for answer in ("Cancel", "OK"):
        await frontend.page.click_element(ICON)
        await frontend.find("Unlock Ada?")
        assert not calls
        await frontend.click(answer)
    await until(hass, lambda: state_of(hass, LOCK).state == "unlocked")
    await frontend.page.click_element(ICON)
    await until(hass, lambda: state_of(hass, LOCK).state == "locked")
    assert calls == ["unlock", "lock"]
