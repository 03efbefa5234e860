"""Dashboard of the cloud, the vehicles and the uptime.

`frontend/keycard.js` draws its own cards.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import voluptuous as vol

from homeassistant.components import websocket_api
from homeassistant.components.binary_sensor import DOMAIN as BINARY_SENSOR_DOMAIN
from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.components.frontend import (
    DOMAIN as FRONTEND_DOMAIN,
    add_extra_js_url,
)
from homeassistant.components.http import StaticPathConfig
from homeassistant.components.lock import DOMAIN as LOCK_DOMAIN, LockState
from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN
from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.loader import async_get_integration
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import KeycardConfigEntry
from .notifications.text import Translations, async_load_translations
from .outage.endpoints import REGIONS
from .outage.uptime import DAYS_KEPT
from .runtime.storage import DATA_STORE
from .vehicle.keys import PhysicalKey

type Card = dict[str, Any]

FRONTEND_FOLDER = Path(__file__).parent / "frontend"
FRONTEND_URL: Final = "/keycard/frontend"
COLUMNS = 3
UPTIME_DAYS = 30
HISTORY_HOURS = 7 * 24

# Icons of a region that works, that fails, or whose status is unknown
ICON_WORKS = '<ha-icon icon="mdi:check-circle"></ha-icon>'
ICON_FAILS = '<ha-icon icon="mdi:alert-circle"></ha-icon>'
ICON_UNKNOWN = '<ha-icon icon="mdi:help-circle"></ha-icon>'

# Cards of their own, in frontend/keycard.js
KEY_CARD = "custom:keycard-key-card"
UPTIME_CARD = "custom:keycard-uptime-card"

# Template filter that escapes Markdown: the text holds names from outside.
_ESCAPE_MARKDOWN = r"regex_replace('([!-/:-@\\[-`{-~])', '\\\\\\1')"
_FULL_WIDTH: Mapping[str, Any] = {"grid_options": {"columns": "full"}}
_INCONCLUSIVE = "['undetermined', 'internet_down']"


async def async_setup_frontend(hass: HomeAssistant) -> None:
    """Serve the cards and the dashboard strategy, and the data that they request."""
    websocket_api.async_register_command(hass, _websocket_dashboard)
    websocket_api.async_register_command(hass, _websocket_uptime)
    await hass.http.async_register_static_paths(
        [StaticPathConfig(FRONTEND_URL, str(FRONTEND_FOLDER))]
    )
    if FRONTEND_DOMAIN in hass.config.components:
        add_extra_js_url(hass, await _async_module_url(hass))


async def _async_module_url(hass: HomeAssistant) -> str:
    """Return the URL of the module, which browsers load again once it has changed."""
    integration = await async_get_integration(hass, DOMAIN)
    module = FRONTEND_FOLDER / "keycard.js"
    content = await hass.async_add_executor_job(module.read_bytes)
    checksum = crc32(content)
    return f"{FRONTEND_URL}/{module.name}?v={integration.version}-{checksum:08x}"


@websocket_api.websocket_command(
    {
        vol.Required("type"): "keycard/dashboard",
        vol.Optional("config_entry_id"): str,
        vol.Optional("language"): str,
    }
)
@websocket_api.async_response
async def _websocket_dashboard(
    hass: HomeAssistant,
    connection: websocket_api.ActiveConnection,
    message: dict[str, Any],
) -> None:
    """Send the dashboard of an entry, or of all, in the language of the user."""
    entry_id = message.get("config_entry_id")
    dashboard = await async_get_dashboard(
        hass,
        [
            entry
            for entry in hass.config_entries.async_loaded_entries(DOMAIN)
            if entry_id in {None, entry.entry_id}
        ],
        message.get("language"),
    )
    connection.send_result(message["id"], dashboard)


@websocket_api.websocket_command(
    {
        vol.Required("type"): "keycard/uptime",
        vol.Required("config_entry_id"): str,
        vol.Optional("days", default=UPTIME_DAYS): vol.All(
            int, vol.Range(min=1, max=DAYS_KEPT)
        ),
    }
)
@callback
def _websocket_uptime(
    hass: HomeAssistant,
    connection: websocket_api.ActiveConnection,
    message: dict[str, Any],
) -> None:
    """Send the uptime of each of the last days in the region of an entry."""
    entry = next(
        (
            entry
            for entry in hass.config_entries.async_loaded_entries(DOMAIN)
            if entry.entry_id == message["config_entry_id"]
        ),
        None,
    )
    if entry is None:
        connection.send_error(
            message["id"], websocket_api.ERR_NOT_FOUND, "Entry is not loaded"
        )
        return
    days = hass.data[DATA_STORE].outage_log.uptime.daily(
        entry.runtime_data.region, message["days"], dt_util.utcnow()
    )
    connection.send_result(
        message["id"],
        {
            "days": [
                {
                    "date": day.day.isoformat(),
                    "uptime": None if day.uptime is None else round(day.uptime, 3),
                    "watched_hours": round(day.watched / 3600, 2),
                }
                for day in days
            ]
        },
    )


async def async_get_dashboard(
    hass: HomeAssistant,
    entries: Iterable[KeycardConfigEntry],
    language: str | None = None,
) -> dict[str, Any]:
    """Return a view for each entry, and a view of all vehicles for several entries."""
    translations = await async_load_translations(hass, language)
    builders = sorted(
        (_ViewBuilder(hass, entry, translations) for entry in entries),
        key=lambda builder: builder.title.casefold(),
    )
    views = [builder.build() for builder in builders]
    if len(builders) > 1:
        views.insert(0, _build_overview(builders, translations))
    return {"views": views}


def _build_overview(
    builders: Iterable[_ViewBuilder], translations: Translations
) -> dict[str, Any]:
    """Return a view of the vehicles of all entries."""
    sections = [section for builder in builders for section in builder.summary()]
    return _view(
        translations.format("dashboard_all_cars"), "keycard", "mdi:car-key", sections
    )


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
        self.title = _cloud_name(hass, entry)

    @callback
    def build(self) -> dict[str, Any]:
        """Return the view."""
        return _view(
            self.title,
            f"keycard-{self._entry.entry_id.lower()}",
            "mdi:card-account-details-outline",
            [
                *self.summary(),
                *(
                    self._vehicle_section(vehicle_id, title)
                    for vehicle_id, title in self._vehicle_titles()
                ),
                self._history_section(),
            ],
        )

    @callback
    def summary(self) -> Sequence[Card]:
        """Return the sections of the keys to take, of the notice and of the cloud."""
        return self._key_section(), self._notice_section(), self._cloud_section()

    def _vehicle_titles(self) -> Sequence[tuple[str, str]]:
        """Return the id and the title of each vehicle, sorted by title."""
        vehicles = self._entry.runtime_data.vehicles
        titles = (
            (vehicle_id, coordinator.vehicle.title)
            for vehicle_id, coordinator in vehicles.items()
        )
        return sorted(titles, key=lambda vehicle: vehicle[1].casefold())

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

    def _key_section(self) -> Card:
        """Return the section of the keys to take, one banner for each vehicle."""
        labels = {
            key.value: self._translations.format(f"dashboard_key_{key.value}")
            for key in PhysicalKey
        }
        labels["drill"] = self._translations.format("dashboard_drill")
        return {
            "type": "grid",
            "column_span": COLUMNS,
            "cards": [
                {
                    "type": KEY_CARD,
                    "entity": entity_id,
                    "name": title,
                    "labels": labels,
                    **_FULL_WIDTH,
                }
                for vehicle_id, title in self._vehicle_titles()
                if (
                    entity_id := self._entity_id(
                        SENSOR_DOMAIN, vehicle_id, "key_to_take"
                    )
                )
            ],
        }

    def _cloud_section(self) -> Card:
        """Return the section of the cloud."""
        cloud = self._entry.entry_id
        outage = self._entity_id(BINARY_SENSOR_DOMAIN, cloud, "outage")
        return _section(
            self.title,
            "mdi:cloud-outline",
            *self._signal_tiles(cloud, "status", outage, good="off"),
            *self._tile(
                SENSOR_DOMAIN, cloud, "outage_since", **_visible_while_on(outage)
            ),
            *self._tile(SENSOR_DOMAIN, cloud, "scope", **_visible_while_on(outage)),
            *self._tile(
                BINARY_SENSOR_DOMAIN,
                cloud,
                "api_reachable",
                color="green",
                **_FULL_WIDTH,
            ),
            *self._tile(
                SENSOR_DOMAIN, cloud, "uptime_30_days", color="green", **_FULL_WIDTH
            ),
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
            *self._tile(
                SENSOR_DOMAIN, vehicle_id, "connection", color="blue", **_FULL_WIDTH
            ),
            *self._tile(SENSOR_DOMAIN, vehicle_id, "last_contact"),
            *self._lock_tiles(vehicle_id, name),
            *self._tile(
                SENSOR_DOMAIN,
                vehicle_id,
                "battery_level",
                features=[{"type": "bar-gauge"}],
                color="green",
                **_FULL_WIDTH,
            ),
        )

    def _lock_tiles(self, vehicle_id: str, name: str) -> Iterable[Card]:
        """Yield tiles of the lock: one tap locks, and unlocking asks first."""
        entity_id = self._entity_id(LOCK_DOMAIN, vehicle_id, "lock")
        if entity_id is None:
            return
        locks: Mapping[str, Any] = {
            "action": "perform-action",
            "perform_action": "lock.lock",
            "target": {"entity_id": entity_id},
        }
        question = self._translations.format("dashboard_unlock", car=name)
        unlocks: Mapping[str, Any] = {
            **locks,
            "perform_action": "lock.unlock",
            "confirmation": {"text": question},
        }
        for action, operator in ((unlocks, "state"), (locks, "state_not")):
            yield from self._tile(
                LOCK_DOMAIN,
                vehicle_id,
                "lock",
                icon_tap_action=action,
                visibility=[
                    {
                        "condition": "state",
                        "entity": entity_id,
                        operator: LockState.LOCKED.value,
                    }
                ],
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
            cards.append(
                {
                    "type": UPTIME_CARD,
                    "entity": uptime,
                    "config_entry_id": cloud,
                    "days": UPTIME_DAYS,
                    "labels": {
                        "title": self._translations.format("dashboard_uptime"),
                        # The card fills it in.
                        "watched": self._translations.format(
                            "dashboard_watched", hours="{hours}"
                        ),
                    },
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


def _cloud_name(hass: HomeAssistant, entry: KeycardConfigEntry) -> str:
    """Return the name of the cloud's device."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    return (device and (device.name_by_user or device.name)) or entry.title


def _view(title: str, path: str, icon: str, sections: Iterable[Card]) -> dict[str, Any]:
    """Return a view of the sections that hold more than a heading."""
    return {
        "title": title,
        "path": path,
        "icon": icon,
        "type": "sections",
        "max_columns": COLUMNS,
        "dense_section_placement": True,
        "sections": [
            section
            for section in sections
            if any(card["type"] != "heading" for card in section["cards"])
        ],
    }


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
