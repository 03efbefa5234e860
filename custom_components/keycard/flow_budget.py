"""The step of the options that limits what the calls of a month may cost."""

from typing import Any

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)

from .const import CONF_BUDGET
from .coordinator import KeycardConfigEntry
from .cost import CURRENCY

_STEP = 0.5
_MOST = 1000.0

_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_BUDGET): NumberSelector(
            NumberSelectorConfig(
                min=_STEP,
                max=_MOST,
                step=_STEP,
                mode=NumberSelectorMode.BOX,
                unit_of_measurement=CURRENCY,
            )
        )
    }
)


class BudgetStep(OptionsFlowWithReload):
    """Asks for a budget, where calls have a price."""

    @property
    def can_be_limited(self) -> bool:
        """Tell whether a budget makes sense for what is set up."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return False
        entry: KeycardConfigEntry = self.config_entry
        return entry.runtime_data.bill.spending.can_be_limited

    async def async_step_budget(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the budget of a month; an empty one is none."""
        options = self.config_entry.options
        if user_input is not None:
            kept = {key: value for key, value in options.items() if key != CONF_BUDGET}
            return self.async_create_entry(data={**kept, **user_input})
        return self.async_show_form(
            step_id="budget",
            data_schema=self.add_suggested_values_to_schema(_SCHEMA, options),
        )
