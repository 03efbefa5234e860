"""The pairing page as the frontend shows it."""

from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.data_entry_flow import FlowManager, FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.protocol import VehicleComputers
from simulator.vehicle.car import Car

from .home import HomeUnderTest


@dataclass(kw_only=True)
class PairingPage:
    """The page of one flow, as the user sees it."""

    home: HomeUnderTest
    manager: FlowManager[Any, Any, Any]
    result: Any

    @property
    def flow_id(self) -> str:
        """Return the id of the flow."""
        return str(self.result["flow_id"])

    @property
    def progress(self) -> str | None:
        """Return the progress action that the page shows."""
        action: str | None = self.result.get("progress_action")
        return action

    def shows(self, step: str, error: str | None = None) -> bool:
        """Check that the page shows a form with exactly this error."""
        assert self.result["type"] is FlowResultType.FORM, self.result
        shown = (self.result["step_id"], list(self.result["errors"].values()))
        assert shown == (step, [error] if error else []), shown
        return True

    def aborts(self, reason: str) -> bool:
        """Return whether the flow was aborted for a reason."""
        assert self.result["type"] is FlowResultType.ABORT, self.result
        return bool(self.result["reason"] == reason)

    def choices(self, field: str) -> list[str]:
        """Return the options of a field."""
        options = self.result["data_schema"].schema[field].config["options"]
        return [str(option["value"]) for option in options]

    def car(self, name: str) -> Car:
        """Return a simulated vehicle."""
        return self.home.simulator.cars[name]

    def computers(self, name: str) -> VehicleComputers:
        """Return the computers of a simulated vehicle."""
        return self.home.simulator.computers[name]

    async def fill(self, **values: Any) -> None:
        """Submit a form."""
        self.result = await self.home.run_task(
            self.manager.async_configure(self.flow_id, values)
        )
        await self._skip_receivers()

    async def _skip_receivers(self) -> None:
        """Choose no receiver if that is asked, which is the last step of a set-up."""
        if self.result.get("step_id") == "receivers":
            no_receivers = {"phones": [], "others": [], "bell": False}
            self.result = await self.home.run_task(
                self.manager.async_configure(self.flow_id, no_receivers)
            )

    async def refresh(self) -> None:
        """Refresh the page, as the frontend does after a progress event."""
        self.result = await self.home.run_task(
            self.manager.async_configure(self.flow_id)
        )
        await self._skip_receivers()

    async def wait_for_card_request(self, name: str) -> None:
        """Wait until the vehicle waits for the key card, and refresh."""
        whitelist = self.computers(name).whitelist
        await self.home.until(lambda: whitelist.pending is not None, 60)
        # The client needs some seconds to learn that the request was received.
        await self.home.run(6)
        await self.refresh()

    async def wait_until_done(self) -> None:
        """Wait until the pairing step is over, and refresh."""
        await self.home.until(
            lambda: self.manager.async_get(self.flow_id)["step_id"] != "pairing", 150
        )
        await self.refresh()


async def add_key(home: HomeUnderTest, entry: MockConfigEntry) -> PairingPage:
    """Choose to add a Bluetooth key."""
    manager = home.hass.config_entries.subentries
    result = await manager.async_init(
        (entry.entry_id, "bluetooth_key"), context={"source": SOURCE_USER}
    )
    return PairingPage(home=home, manager=manager, result=result)


async def pair_again(home: HomeUnderTest, entry: MockConfigEntry) -> PairingPage:
    """Choose to pair a vehicle again."""
    manager = home.hass.config_entries.subentries
    (subentry_id,) = entry.subentries
    result = await manager.async_init(
        (entry.entry_id, "bluetooth_key"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry_id},
    )
    return PairingPage(home=home, manager=manager, result=result)


async def set_up_without_account(home: HomeUnderTest) -> PairingPage:
    """Choose to set up a vehicle without an account."""
    manager = home.hass.config_entries.flow
    menu = await manager.async_init("keycard", context={"source": SOURCE_USER})
    page = PairingPage(home=home, manager=manager, result=menu)
    await page.fill(next_step_id="connect")
    await page.fill(next_step_id="bluetooth_only")
    return page
