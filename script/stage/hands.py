"""How the owner of the house changes its settings."""

from typing import Any, Protocol

from homeassistant.config_entries import SOURCE_USER

from .flow import Desk, Result
from .house import House


class Hands(Protocol):
    """How the owner of the house changes its settings."""

    @property
    def desk(self) -> Desk:
        """Return where config flows are answered."""

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save an automation and load it."""


class InsideHands:
    """Change settings inside Home Assistant, where there is no screen."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.desk = self

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save an automation and load it."""
        await self._house.add_automation(automation)

    async def begin(self, handler: str) -> Result:
        """Begin a flow; returns its first result."""
        return await self._house.hass.config_entries.flow.async_init(
            handler, context={"source": SOURCE_USER}
        )

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Answer a step; returns the next result."""
        flow = self._house.hass.config_entries.flow
        result = await flow.async_configure(flow_id, answers)
        await self._house.hass.async_block_till_done()
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of the fields that a step asks for."""
        schema = result.get("data_schema")
        return frozenset(str(name) for name in schema.schema) if schema else frozenset()
