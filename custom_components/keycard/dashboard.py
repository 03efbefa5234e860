"""Dashboard of the cloud, the vehicles and the uptime, from standard cards."""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.components.binary_sensor import DOMAIN as BINARY_SENSOR_DOMAIN
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.components.lock import DOMAIN as LOCK_DOMAIN
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .coordinator import KeycardConfigEntry
from .notifications.text import Translations, async_load_translations
from .outage.endpoints import REGIONS
from .vehicle.keys import PhysicalKey

type Card = dict[str, Any]

COLUMNS = 3
UPTIME_DAYS = 30
HISTORY_HOURS = 7 * 24

# Icons of a region that works, that fails, or whose status is unknown
ICON_WORKS = '<font color="#43a047"><ha-icon icon="mdi:check-circle"></ha-icon></font>'
ICON_FAILS = '<font color="#e53935"><ha-icon icon="mdi:alert-circle"></ha-icon></font>'
ICON_UNKNOWN = '<font color="#9e9e9e"><ha-icon icon="mdi:help-circle"></ha-icon></font>'

# Template filter that escapes Markdown: the text holds names from outside.
_ESCAPE_MARKDOWN = r"regex_replace('([!-/:-@\\[-`{-~])', '\\\\\\1')"
_FULL_WIDTH: Mapping[str, Any] = {"grid_options": {"columns": "full"}}
_INCONCLUSIVE = "['undetermined', 'internet_down']"


async def async_get_dashboard(
    hass: HomeAssistant, entries: Iterable[KeycardConfigEntry]
) -> dict[str, Any]:
    """Return a dashboard with a view for each entry."""
    translations = await async_load_translations(hass)
    return {
        "views": [_ViewBuilder(hass, entry, translations).build() for entry in entries]
    }


class _ViewBuilder:
    """Builder of the view of an entry, from its enabled entities."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: KeycardConfigEntry,
        translations: Translations,
    ) -> None:
        self._entry = entry
        self._translations = translations
        self._registry = er.async_get(hass)

    @callback
    def build(self) -> dict[str, Any]:
        """Return the view."""
        vehicles = self._entry.runtime_data.vehicles
        return {
            "title": self._entry.title,
            "path": f"keycard-{self._entry.entry_id.lower()}",
            "icon": "mdi:card-account-details-outline",
            "type": "sections",
            "max_columns": COLUMNS,
            "dense_section_placement": True,
            "sections": [
                section
                for section in (
                    self._notice_section(),
                    self._cloud_section(),
                    *(
                        self._vehicle_section(vehicle_id, coordinator.vehicle.title)
                        for vehicle_id, coordinator in vehicles.items()
                    ),
                    self._history_section(),
                )
                if any(card["type"] != "heading" for card in section["cards"])
            ],
        }

    def _entity_id(self, domain: str, prefix: str, key: str) -> str | None:
        """Return the id of an enabled entity, None without it.

        The prefix of a unique id is the id of an entry or of a vehicle.
        """
        entity_id = self._registry.async_get_entity_id(
            domain, DOMAIN, f"{prefix}_{key}"
        )
        if entity_id is None or self._registry.entities[entity_id].disabled:
            return None
        return entity_id

    def _tile(
        self, domain: str, prefix: str, key: str, **options: Any
    ) -> Iterable[Card]:
        """Yield a tile for an entity, if it is enabled."""
        if (entity_id := self._entity_id(domain, prefix, key)) is not None:
            yield {
                "type": "tile",
                "entity": entity_id,
                "name": {"type": "entity"},
                **options,
            }

    def _cloud_section(self) -> Card:
        """Return the section of the cloud."""
        cloud = self._entry.entry_id
        outage = self._entity_id(BINARY_SENSOR_DOMAIN, cloud, "outage")
        return _section(
            self._entry.title,
            "mdi:cloud-outline",
            *self._signal_tiles(cloud, "status", outage, good="off"),
            *self._tile(
                SENSOR_DOMAIN, cloud, "outage_since", **_visible_while_on(outage)
            ),
            *self._tile(SENSOR_DOMAIN, cloud, "scope", **_visible_while_on(outage)),
            *self._tile(BINARY_SENSOR_DOMAIN, cloud, "api_reachable", color="green"),
            *self._tile(SENSOR_DOMAIN, cloud, "uptime_30_days", color="green"),
            *self._region_card(outage),
        )

    def _notice_section(self) -> Card:
        """Return the section of the notice, visible during an outage or a warning."""
        cloud = self._entry.entry_id
        event = self._entity_id(EVENT_DOMAIN, cloud, "outage")
        on = [
            {"condition": "state", "entity": entity_id, "state": "on"}
            for key in ("outage", "early_warning")
            if (entity_id := self._entity_id(BINARY_SENSOR_DOMAIN, cloud, key))
        ]
        if event is None or not on:
            return {"type": "grid", "cards": []}
        notice = {
            "type": "markdown",
            "content": (
                '<ha-alert alert-type="warning" title="'
                f"{{{{ state_attr('{event}', 'title') | e }}}}"
                '">\n\n'
                f"{{{{ (state_attr('{event}', 'text') or '')"
                f" | {_ESCAPE_MARKDOWN} | replace('\\n', '\\n\\n') }}}}\n\n</ha-alert>"
            ),
            "text_only": True,
            **_FULL_WIDTH,
        }
        return {
            "type": "grid",
            "column_span": COLUMNS,
            "visibility": [{"condition": "or", "conditions": on}],
            "cards": [notice],
        }

    def _region_card(self, outage: str | None) -> Iterable[Card]:
        """Yield a card that lists the status of each region."""
        status = self._entity_id(SENSOR_DOMAIN, self._entry.entry_id, "status")
        if outage is None or status is None:
            return
        own = self._entry.runtime_data.region
        lines = [
            (
                f"{{% set fails = state_attr('{status}', 'elsewhere') or [] %}}"
                f"{{% set unsure = is_state('{status}', {_INCONCLUSIVE}) %}}"
            )
        ]
        for region in sorted(REGIONS, key=lambda region: region != own):
            fails = f"is_state('{outage}', 'on')"
            if region != own:
                fails = f"'{region}' in fails"
            name = self._translations.format(f"region_{region}")
            lines.append(
                f"{{{{ '{ICON_FAILS}' if {fails}"
                f" else '{ICON_UNKNOWN}' if unsure else '{ICON_WORKS}' }}}}"
                f" {f'**{name}**' if region == own else name}"
            )
        yield {"type": "markdown", "content": "\n\n".join(lines), **_FULL_WIDTH}

    def _vehicle_section(self, vehicle_id: str, name: str) -> Card:
        """Return the section of a vehicle."""
        return _section(
            name,
            "mdi:car",
            *self._signal_tiles(
                vehicle_id,
                "key_to_take",
                self._entity_id(SENSOR_DOMAIN, vehicle_id, "key_to_take"),
                good=PhysicalKey.NONE.value,
            ),
            *self._tile(SENSOR_DOMAIN, vehicle_id, "connection", color="blue"),
            *self._tile(SENSOR_DOMAIN, vehicle_id, "last_contact"),
            *self._tile(
                LOCK_DOMAIN, vehicle_id, "lock", features=[{"type": "lock-commands"}]
            ),
            *self._tile(
                SENSOR_DOMAIN,
                vehicle_id,
                "battery_level",
                features=[{"type": "bar-gauge"}],
                color="green",
            ),
        )

    def _signal_tiles(
        self, prefix: str, key: str, watched: str | None, *, good: str
    ) -> Iterable[Card]:
        """Yield a green tile, and a red one for while another entity is not good."""
        if watched is None:
            yield from self._tile(SENSOR_DOMAIN, prefix, key, **_FULL_WIDTH)
            return
        for color, operator in (("red", "state_not"), ("green", "state")):
            condition = {"condition": "state", "entity": watched, operator: good}
            yield from self._tile(
                SENSOR_DOMAIN,
                prefix,
                key,
                color=color,
                visibility=[condition],
                **_FULL_WIDTH,
            )

    def _tile_when_known(self, prefix: str, key: str) -> Iterable[Card]:
        """Yield a tile for a sensor, visible while its state is known."""
        condition = {
            "condition": "state",
            "entity": self._entity_id(SENSOR_DOMAIN, prefix, key),
            "state_not": STATE_UNKNOWN,
        }
        yield from self._tile(
            SENSOR_DOMAIN,
            prefix,
            key,
            grid_options={"columns": 12},
            visibility=[condition],
        )

    def _history_section(self) -> Card:
        """Return the section of uptime and outages."""
        cloud = self._entry.entry_id
        uptime = self._entity_id(SENSOR_DOMAIN, cloud, "uptime_30_days")
        outage = self._entity_id(BINARY_SENSOR_DOMAIN, cloud, "outage")
        cards: list[Card] = []
        if uptime is not None:
            cards.append(_heading(self._translations.format("dashboard_uptime")))
            cards.append(
                {
                    "type": "statistics-graph",
                    "entities": [{"entity": uptime, "name": self._entry.title}],
                    "days_to_show": UPTIME_DAYS,
                    "period": "day",
                    "stat_types": ["min"],
                    "chart_type": "bar",
                    "min_y_axis": 90,
                    "max_y_axis": 100,
                    "hide_legend": True,
                    **_FULL_WIDTH,
                }
            )
        if outage is not None:
            cards.append(_heading(self._translations.format("dashboard_week")))
            cards.append(
                {
                    "type": "history-graph",
                    "hours_to_show": HISTORY_HOURS,
                    "entities": [{"entity": outage, "name": " "}],
                    **_FULL_WIDTH,
                }
            )
        section = _section(
            self._translations.format("dashboard_past"),
            "mdi:history",
            *self._tile_when_known(cloud, "last_outage"),
            *self._tile_when_known(cloud, "last_outage_length"),
            *cards,
        )
        return {**section, "column_span": COLUMNS}


def _heading(heading: str) -> Card:
    """Return the heading of a card."""
    return {"type": "heading", "heading": heading, "heading_style": "subtitle"}


def _section(heading: str, icon: str, *cards: Card) -> Card:
    """Return a section with a heading."""
    heading_card = {"type": "heading", "heading": heading, "icon": icon}
    return {"type": "grid", "cards": [heading_card, *cards]}


def _visible_while_on(entity_id: str | None) -> Mapping[str, Any]:
    """Return the option of a card that is visible while a binary sensor is on."""
    if entity_id is None:
        return {}
    condition = {"condition": "state", "entity": entity_id, "state": "on"}
    return {"visibility": [condition]}
