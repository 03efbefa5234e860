"""A dashboard for a wall: the cloud, the cars and the uptime, from standard cards."""

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
from .coordinator import KeycardCoordinator
from .notifications.text import Translations, async_load_translations
from .outage.endpoints import REGIONS
from .vehicle.keys import PhysicalKey

type Card = dict[str, Any]

COLUMNS = 3
UPTIME_DAYS = 30
STORY_HOURS = 7 * 24

# How a region is marked that works, that fails, or of which nobody knows.
GOOD = '<font color="#43a047"><ha-icon icon="mdi:check-circle"></ha-icon></font>'
BAD = '<font color="#e53935"><ha-icon icon="mdi:alert-circle"></ha-icon></font>'
UNSURE = '<font color="#9e9e9e"><ha-icon icon="mdi:help-circle"></ha-icon></font>'


async def async_get_dashboard(
    hass: HomeAssistant, coordinators: Iterable[KeycardCoordinator]
) -> dict[str, Any]:
    """Return a dashboard with a view for each entry."""
    words = await async_load_translations(hass)
    return {"views": [_View(one, words).build() for one in coordinators]}


class _View:
    """Builds the view of an entry, from the entities that are there."""

    def __init__(self, coordinator: KeycardCoordinator, words: Translations) -> None:
        self._coordinator = coordinator
        self._entry = coordinator.config_entry
        self._words = words
        self._registry = er.async_get(coordinator.hass)

    @callback
    def build(self) -> dict[str, Any]:
        """Return the view."""
        cars = self._coordinator.cars
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
                    self._notice(),
                    self._cloud(),
                    *(
                        self._car(car_id, car.vehicle.title)
                        for car_id, car in cars.items()
                    ),
                    self._past(),
                )
                if any(card["type"] != "heading" for card in section["cards"])
            ],
        }

    def _find(self, domain: str, owner: str, key: str) -> str | None:
        """Return an entity that an owner has not switched off."""
        entity_id = self._registry.async_get_entity_id(domain, DOMAIN, f"{owner}_{key}")
        if entity_id is None or self._registry.entities[entity_id].disabled:
            return None
        return entity_id

    def _tile(
        self, domain: str, owner: str, key: str, **options: Any
    ) -> Iterable[Card]:
        """Show an entity, if it is there."""
        if (entity_id := self._find(domain, owner, key)) is not None:
            yield {
                "type": "tile",
                "entity": entity_id,
                "name": {"type": "entity"},
                **options,
            }

    def _cloud(self) -> Card:
        cloud = self._entry.entry_id
        outage = self._find(BINARY_SENSOR_DOMAIN, cloud, "outage")
        return _section(
            self._entry.title,
            "mdi:cloud-outline",
            *self._signal(cloud, "status", outage, good="off"),
            *self._tile(SENSOR_DOMAIN, cloud, "outage_since", **_while(outage)),
            *self._tile(SENSOR_DOMAIN, cloud, "scope", **_while(outage)),
            *self._tile(BINARY_SENSOR_DOMAIN, cloud, "api_reachable", color="green"),
            *self._tile(SENSOR_DOMAIN, cloud, "uptime_30_days", color="green"),
            *self._regions(outage),
        )

    def _notice(self) -> Card:
        """Show the notice above all, while there is something to tell."""
        cloud = self._entry.entry_id
        event = self._find(EVENT_DOMAIN, cloud, "outage")
        on = [
            {"condition": "state", "entity": entity_id, "state": "on"}
            for key in ("outage", "early_warning")
            if (entity_id := self._find(BINARY_SENSOR_DOMAIN, cloud, key))
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
                f" | {_AS_LETTERS} | replace('\\n', '\\n\\n') }}}}\n\n</ha-alert>"
            ),
            "text_only": True,
            **_WIDE,
        }
        return {
            "type": "grid",
            "column_span": COLUMNS,
            "visibility": [{"condition": "or", "conditions": on}],
            "cards": [notice],
        }

    def _regions(self, outage: str | None) -> Iterable[Card]:
        """Show which regions fail."""
        status = self._find(SENSOR_DOMAIN, self._entry.entry_id, "status")
        if outage is None or status is None:
            return
        own = self._coordinator.region
        lines = [
            (
                f"{{% set fails = state_attr('{status}', 'elsewhere') or [] %}}"
                f"{{% set unsure = is_state('{status}', {_UNSURE}) %}}"
            )
        ]
        for region in sorted(REGIONS, key=lambda region: region != own):
            fails = f"is_state('{outage}', 'on')"
            if region != own:
                fails = f"'{region}' in fails"
            name = self._words.format(f"region_{region}")
            lines.append(
                f"{{{{ '{BAD}' if {fails} else '{UNSURE}' if unsure else '{GOOD}' }}}}"
                f" {f'**{name}**' if region == own else name}"
            )
        yield {"type": "markdown", "content": "\n\n".join(lines), **_WIDE}

    def _car(self, car_id: str, name: str) -> Card:
        return _section(
            name,
            "mdi:car",
            *self._signal(
                car_id,
                "key_to_take",
                self._find(SENSOR_DOMAIN, car_id, "key_to_take"),
                good=PhysicalKey.NONE.value,
            ),
            *self._tile(SENSOR_DOMAIN, car_id, "connection", color="blue"),
            *self._tile(SENSOR_DOMAIN, car_id, "last_contact"),
            *self._tile(
                LOCK_DOMAIN, car_id, "lock", features=[{"type": "lock-commands"}]
            ),
            *self._tile(
                SENSOR_DOMAIN,
                car_id,
                "battery_level",
                features=[{"type": "bar-gauge"}],
                color="green",
            ),
        )

    def _signal(
        self, owner: str, key: str, watched: str | None, *, good: str
    ) -> Iterable[Card]:
        """Show a sensor in green, or in red while what is watched is not good."""
        if watched is None:
            yield from self._tile(SENSOR_DOMAIN, owner, key, **_WIDE)
            return
        for color, how in (("red", "state_not"), ("green", "state")):
            condition = {"condition": "state", "entity": watched, how: good}
            yield from self._tile(
                SENSOR_DOMAIN,
                owner,
                key,
                color=color,
                visibility=[condition],
                **_WIDE,
            )

    def _known(self, owner: str, key: str) -> Iterable[Card]:
        """Show a sensor once it knows something."""
        condition = {
            "condition": "state",
            "entity": self._find(SENSOR_DOMAIN, owner, key),
            "state_not": STATE_UNKNOWN,
        }
        yield from self._tile(
            SENSOR_DOMAIN,
            owner,
            key,
            grid_options={"columns": 12},
            visibility=[condition],
        )

    def _past(self) -> Card:
        cloud = self._entry.entry_id
        uptime = self._find(SENSOR_DOMAIN, cloud, "uptime_30_days")
        outage = self._find(BINARY_SENSOR_DOMAIN, cloud, "outage")
        cards: list[Card] = []
        if uptime is not None:
            cards.append(_heading(self._words.format("dashboard_uptime")))
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
                    **_WIDE,
                }
            )
        if outage is not None:
            cards.append(_heading(self._words.format("dashboard_week")))
            cards.append(
                {
                    "type": "history-graph",
                    "hours_to_show": STORY_HOURS,
                    "entities": [{"entity": outage, "name": " "}],
                    **_WIDE,
                }
            )
        past = _section(
            self._words.format("dashboard_past"),
            "mdi:history",
            *self._known(cloud, "last_outage"),
            *self._known(cloud, "last_outage_length"),
            *cards,
        )
        return {**past, "column_span": COLUMNS}


# Renders a text as its letters, in a template: names in it are words of others.
_AS_LETTERS = r"regex_replace('([!-/:-@\\[-`{-~])', '\\\\\\1')"
_WIDE: Mapping[str, Any] = {"grid_options": {"columns": "full"}}
_UNSURE = "['undetermined', 'internet_down']"


def _heading(heading: str) -> Card:
    return {"type": "heading", "heading": heading, "heading_style": "subtitle"}


def _section(heading: str, icon: str, *cards: Card) -> Card:
    head = {"type": "heading", "heading": heading, "icon": icon}
    return {"type": "grid", "cards": [head, *cards]}


def _while(entity_id: str | None) -> Mapping[str, Any]:
    """Show a card only while a binary sensor is on."""
    if entity_id is None:
        return {}
    condition = {"condition": "state", "entity": entity_id, "state": "on"}
    return {"visibility": [condition]}
