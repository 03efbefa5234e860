"""Law 10: secrets, VINs and places stay out of the log."""

from collections.abc import Mapping
import logging

import pytest

from custom_components.keycard.signing_key import async_get_key
from simulator.cases import CarSpec
from tests.entries import entry_of

from .story import Story, assert_quiet

CONDITIONS = (
    ("eu.api", '500 {"error":"upstream internal error"}'),
    ("eu.api", '401 {"error":"login_required"}'),
    ("eu.api", "garbage"),
    ("eu.api", "reset"),
    ("eu.api", "302 http://portal.invalid/"),
    ("eu.data", "503 down"),
    ("eu.commands", '503 {"error":"vehicle is not available"}'),
    ("car.Ada", "asleep"),
)


@pytest.mark.parametrize("provider", ["compatible", "fleet", "teslemetry"])
async def test_a_whole_tour_tells_the_log_nothing_private(
    story: Story, caplog: pytest.LogCaptureFixture, provider: str
) -> None:
    simulator = story.simulator
    if provider != "compatible":
        simulator.set_signing("Ada", "required")
    simulator.pair("Ada", await async_get_key(story.hass))
    nameless = simulator.add_car(CarSpec(name="Nameless", model="model3", year=2022))
    nameless.name = ""
    for logger in ("", "custom_components.keycard", "tesla_fleet_api", "aiohttp"):
        caplog.set_level(logging.DEBUG, logger)
    entry = await story.settled(await entry_of(story.hass, simulator, provider))
    for subject, condition in CONDITIONS:
        simulator.set(subject, condition)
        await story.go(65)
        await story.act("unlock")
        simulator.set(subject, "ok")
    simulator.cars["Ada"].drive()
    await story.go(1300)
    simulator.remove_car("Cy")
    await story.go(25 * 3600)
    await story.restart(entry)
    await story.go(60)
    assert_quiet(caplog)

    private = {simulator.token.lower(), *_secrets(entry.data["token"])}
    for car in (*simulator.cars.values(), nameless):
        private |= {car.vin.lower(), str(car.id)}
        private |= {f"{car.home[0]:.3f}", f"{car.home[1]:.3f}"}
    assert story.states()["lock.model_3_lock"] != "unavailable"
    loggers = ("custom_components.keycard", "tesla_fleet_api", "aiohttp")
    told = [
        (record.name, record.getMessage())
        for record in caplog.records
        # Home Assistant's own log for developers holds every state as it is.
        if (record.name.startswith(loggers) or record.levelno >= logging.INFO)
        and any(secret in record.getMessage().lower() for secret in private)
    ]
    assert any(record.name.startswith(loggers[0]) for record in caplog.records)
    assert any(record.name.startswith(loggers[1]) for record in caplog.records)
    assert told == []


def _secrets(token: str | Mapping[str, object]) -> set[str]:
    """Return what nobody but the sign-in host and the cloud may see."""
    if isinstance(token, str):
        return {token.lower()}
    return {str(token[name]).lower() for name in ("access_token", "refresh_token")}
