"""A real Home Assistant in this process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
import json
import logging
from pathlib import Path
import re
from typing import Any, override

import yaml

from homeassistant import block_async_io, bootstrap, config as conf_util, loader
from homeassistant.components import persistent_notification
from homeassistant.components.http.config import HTTP_STORAGE_SCHEMA
from homeassistant.components.persistent_notification import Notification, UpdateType
from homeassistant.const import EVENT_STATE_CHANGED, STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.runner import RuntimeConfig

from simulator.bluetooth import BluetoothEnvironment

from . import no_hardware
from .bluetooth_proxy import async_add_proxy
from .event_loop import INSTANCE, HarnessLoop
from .ports import HOST
from .time_control import HarnessError

ROOT = Path(__file__).parents[1]
AUTOMATIONS = "automations.yaml"
INTEGRATION = "keycard"
# The name can also be part of a path, such as that of the cache.
_KEYCARD_PATTERN = re.compile(
    rf"custom_components[./]{INTEGRATION}\b|(?<![\w./-]){INTEGRATION}\b(?![/-])"
)
# It misses a system library that scales camera pictures.
_IGNORED_LOGGERS = frozenset({"homeassistant.components.camera.img_util"})
# Default integrations of Home Assistant that Keycard uses.
LIGHT_INTEGRATIONS = frozenset(
    {
        "automation",
        "binary_sensor",
        "button",
        "climate",
        "device_tracker",
        "event",
        "lock",
        "sensor",
        "zone",
    }
)
# Location of a home in each region.
COUNTRIES = {
    "na": ("US", "America/New_York", 40.7, -74.0),
    "eu": ("DE", "Europe/Berlin", 52.5, 13.4),
    "cn": ("CN", "Asia/Shanghai", 31.2, 121.5),
}

# Notices of an event entity that say which key to take.
NOTICES = frozenset({"take", "all_clear"})

type Boot = Callable[[Path], Awaitable[HomeAssistant]]


@dataclass(frozen=True, kw_only=True)
class PushNotification:
    """A notice delivered at a monotonic time."""

    at: float
    tag: str
    title: str
    text: str


async def boot_light(folder: Path) -> HomeAssistant:
    """Start core, storage, registries and automations, without a frontend."""
    vars(bootstrap).update(DEFAULT_INTEGRATIONS=set(LIGHT_INTEGRATIONS))
    hass = HomeAssistant(str(folder))
    loader.async_setup(hass)
    hass.config.skip_pip = True
    config = await conf_util.async_hass_config_yaml(hass)
    if await bootstrap.async_from_config_dict(config, hass) is None:
        raise HarnessError("Home Assistant could not be set up")
    await hass.async_start()
    return hass


async def boot_full(folder: Path) -> HomeAssistant:
    """Start Home Assistant with all default integrations, as its command does."""
    hass = await bootstrap.async_setup_hass(
        RuntimeConfig(config_dir=str(folder), skip_pip=True, log_no_color=True)
    )
    if hass is None or hass.config.recovery_mode:
        raise HarnessError("Home Assistant could not be set up")
    # It detects blocking calls, and must not be enabled twice.
    vars(block_async_io).update(enable=lambda: None)
    await hass.async_start()
    return hass


class HomeAssistantInstance:
    """Home Assistant instance that can be stopped and started again."""

    def __init__(
        self, folder: Path, loop: HarnessLoop, port: int, boot: Boot = boot_light
    ) -> None:
        """Initialize with a configuration folder, which may have content.

        Home Assistant listens on `port`, which no other process may use.
        """
        self.url = f"http://{HOST}:{port}"
        self._port = port
        self.folder = folder
        self._loop = loop
        self._boot = boot
        self._hass: HomeAssistant | None = None
        self._run = object()
        self._bluetooth: BluetoothEnvironment | None = None
        self.notices: list[PushNotification] = []
        self.outage_events: Counter[str] = Counter()
        """Number of notices of each event entity."""

    @property
    def hass(self) -> HomeAssistant:
        """Return the running Home Assistant; raise HarnessError if there is none."""
        if self._hass is None:
            raise HarnessError("Home Assistant does not run")
        return self._hass

    @property
    def is_running(self) -> bool:
        """Return whether Home Assistant runs."""
        return self._hass is not None

    def configure(
        self,
        region: str,
        core_settings: Mapping[str, Any] | None = None,
        integrations: Iterable[str] = (),
    ) -> None:
        """Write the configuration and link the integration of this checkout.

        `integrations` are set up in addition to the default ones.
        """
        country, zone, latitude, longitude = COUNTRIES[region]
        core = {
            "name": "Home",
            "country": country,
            "currency": "USD",
            "elevation": 0,
            "internal_url": self.url,
            "language": "en",
            "latitude": latitude,
            "longitude": longitude,
            "time_zone": zone,
            "unit_system": "us_customary" if country == "US" else "metric",
            **(core_settings or {}),
        }
        settings = {"homeassistant": core, **dict.fromkeys(integrations)}
        (self.folder / "configuration.yaml").write_text(
            f"{yaml.safe_dump(settings)}automation: !include {AUTOMATIONS}\n"
        )
        (self.folder / AUTOMATIONS).write_text("[]\n")
        (self.folder / "custom_components").symlink_to(ROOT / "custom_components")
        self._write_storage()

    def _write_storage(self) -> None:
        """Write the settings of the HTTP server, and that onboarding is done."""
        storage = self.folder / ".storage"
        storage.mkdir()
        server = {"server_host": [HOST], "server_port": self._port}
        http = {
            "stable": HTTP_STORAGE_SCHEMA(server),
            "pending": None,
            "yaml_migration_done": True,
        }
        steps = ["user", "core_config", "analytics", "integration"]
        for key, version, minor, data in (
            ("http", 2, 2, http),
            ("onboarding", 4, 1, {"done": steps}),
        ):
            (storage / key).write_text(
                json.dumps(
                    {
                        "key": key,
                        "version": version,
                        "minor_version": minor,
                        "data": data,
                    }
                )
            )

    def task[T](self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine as a task that ends when Home Assistant stops."""
        context = copy_context()
        context.run(INSTANCE.set, self._run)
        return self._loop.create_task(coroutine, context=context)

    def start(self) -> asyncio.Task[None]:
        """Start Home Assistant and record notices."""
        self._run = object()
        return self.task(self._start())

    async def _start(self) -> None:
        no_hardware.install()
        self._hass = await self._boot(self.folder)
        self._hass.bus.async_listen(
            EVENT_STATE_CHANGED, self._count_event, event_filter=_is_event
        )
        persistent_notification.async_register_callback(
            self._hass, self._record_notices
        )
        self._add_proxy()

    def add_bluetooth_proxy(self, environment: BluetoothEnvironment) -> None:
        """Add a Bluetooth proxy, also after each restart."""
        if self._bluetooth is None:
            self._bluetooth = environment
            self._add_proxy()

    def _add_proxy(self) -> None:
        if self._bluetooth is not None:
            async_add_proxy(self.hass, self._bluetooth)

    def stop(self) -> asyncio.Task[None]:
        """Stop Home Assistant and leave the loop running."""
        return self._loop.create_task(self._stop())

    async def _stop(self) -> None:
        hass, self._hass = self._hass, None
        if hass is None:
            return
        await hass.async_stop(force=True)
        # Home Assistant leaves this attribute on the loop.
        vars(self._loop).pop("_shutdown_run_callback_threadsafe", None)
        await self._loop.cancel_all(self._run)

    @callback
    def _count_event(self, event: Event[EventStateChangedData]) -> None:
        old, new = event.data["old_state"], event.data["new_state"]
        if old is None or new is None or STATE_UNAVAILABLE in (old.state, new.state):
            return
        if old.state != new.state and new.attributes.get("notice") in NOTICES:
            self.outage_events[new.entity_id] += 1

    @callback
    def _record_notices(
        self, kind: UpdateType, changed: dict[str, Notification]
    ) -> None:
        if kind not in {UpdateType.ADDED, UpdateType.UPDATED}:
            return
        self.notices.extend(
            PushNotification(
                at=self._loop.time(),
                tag=tag,
                title=notification["title"] or "",
                text=notification["message"],
            )
            for tag, notification in changed.items()
        )


@callback
def _is_event(data: EventStateChangedData) -> bool:
    return data["entity_id"].startswith("event.")


class LogCollector(logging.Handler):
    """Collects log records from level warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.records: list[logging.LogRecord] = []

    def attach(self) -> None:
        """Handle all log records instead of printing them."""
        logging.basicConfig(handlers=[self], level=logging.WARNING)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Collect a record."""
        self.records.append(record)

    @property
    def errors(self) -> list[str]:
        """Return the error messages."""
        return [
            f"{record.name}: {self.format(record)}"
            for record in self.records
            if record.levelno >= logging.ERROR and record.name not in _IGNORED_LOGGERS
        ]

    @property
    def keycard_errors(self) -> list[str]:
        """Return the error messages that involve Keycard."""
        return [error for error in self.errors if _KEYCARD_PATTERN.search(error)]
