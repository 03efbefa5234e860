"""Deliver notifications through Home Assistant."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
import re
from typing import Any, Final

from homeassistant.components import persistent_notification
from homeassistant.components.notify import (
    ATTR_DATA,
    ATTR_MESSAGE,
    ATTR_TITLE,
    DOMAIN as NOTIFY_DOMAIN,
    SERVICE_SEND_MESSAGE,
)
from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .receivers import Receiver, ReceiverKind
from .record import Button
from .text import Translations, async_load_translations

MOBILE_APP: Final = "mobile_app"

# The phone passes this on in its events; iOS passes on no tag.
ATTR_TOKEN: Final = "keycard_token"

_STRATEGY: Final = "custom:keycard"
_CLEAR = "clear_notification"
# The app's own timeout for a push is shorter.
_TIMEOUT = 60
_LIVE_UPDATES_ANDROID = 16

_ICON = "mdi:key-wireless"
_GREEN = "#2e7d32"
_RED = "#c62828"


class DeliveryError(Exception):
    """A notification could not be handed over."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """Notification to deliver.

    One with a `token` has buttons, one that is `quiet` neither sounds nor interrupts.
    `private` must not be shown on a locked screen.
    """

    title: str
    text: str
    tag: str
    link: str
    token: str | None = None
    since: datetime | None = None
    """Start of an outage that is still on."""

    quiet: bool = False
    urgent: bool = True
    """The notification may interrupt its person on iOS."""

    live: bool = False
    """The notification is a live update."""

    private: str = ""


class Delivery:
    """Hand notifications over to phones, notify entities and the bell."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize the delivery."""
        self._hass = hass

    # Receivers

    def home_of(self, receiver: Receiver) -> bool | None:
        """Return whether the person of a receiver is at home, None if unknown."""
        if (state := self._person(receiver)) is None:
            return None
        if state.state in ("unknown", STATE_UNAVAILABLE):
            return None
        return state.state == "home"

    def _person(self, receiver: Receiver) -> State | None:
        if receiver.person is None:
            return None
        registry = er.async_get(self._hass)
        entity_id = er.async_resolve_entity_id(registry, receiver.person)
        return None if entity_id is None else self._hass.states.get(entity_id)

    def may_press(self, receiver: Receiver, context: Context) -> bool:
        """Return whether an event comes from the user of a phone."""
        device = dr.async_get(self._hass).async_get(receiver.target)
        if receiver.kind is not ReceiverKind.PHONE or device is None:
            return False
        entry = self._hass.config_entries.async_get_entry(device.config_entry_id)
        return entry is not None and context.user_id == entry.data.get("user_id")

    async def async_words(self, receiver: Receiver | None) -> Translations:
        """Return the texts in the language of a receiver's person."""
        language = None
        state = None if receiver is None else self._person(receiver)
        if state is not None and (user_id := state.attributes.get("user_id")):
            language = await self._async_language(user_id)
        return await async_load_translations(self._hass, language)

    async def _async_language(self, user_id: str) -> str | None:
        """Return the language that a user chose in the frontend."""
        if "frontend" not in self._hass.config.components:
            return None
        from homeassistant.components.frontend.storage import async_user_store  # noqa: PLC0415 - installed where it is set up

        chosen = (await async_user_store(self._hass, user_id)).data.get("language")
        if isinstance(chosen, Mapping):
            chosen = chosen.get("language")
        return chosen if isinstance(chosen, str) else None

    async def _async_wall_view(self) -> str | None:
        """Return the path of a dashboard of Keycard that every user may open."""
        if "lovelace" not in self._hass.config.components:
            return None
        from homeassistant.components.lovelace.const import LOVELACE_DATA  # noqa: PLC0415 - installed where it is set up

        for path, dashboard in self._hass.data[LOVELACE_DATA].dashboards.items():
            if (dashboard.config or {}).get("require_admin"):
                continue
            try:
                config = await dashboard.async_load(False)
            except HomeAssistantError:
                # It has no configuration, or an invalid one.
                continue
            strategy = config.get("strategy")
            if isinstance(strategy, Mapping) and strategy.get("type") == _STRATEGY:
                return f"/{path or 'lovelace'}"
        return None

    # Sending

    async def async_send(
        self, receiver: Receiver, message: Message, words: Translations
    ) -> None:
        """Hand a notification over; raise a DeliveryError if that fails.

        A tap on a phone opens the wall view, without one the link of the message.
        """
        match receiver.kind:
            case ReceiverKind.BELL:
                persistent_notification.async_create(
                    self._hass, message.text, message.title, message.tag
                )
            case ReceiverKind.ENTITY:
                await self._async_send_to_entity(receiver, message)
            case ReceiverKind.PHONE:
                link = await self._async_wall_view() or message.link
                await self._async_call(
                    self._phone_action(receiver),
                    {
                        ATTR_TITLE: message.title,
                        ATTR_MESSAGE: message.text,
                        ATTR_DATA: self._phone_data(receiver, message, words, link),
                    },
                )

    async def async_clear(self, receiver: Receiver, tag: str) -> None:
        """Remove the notification; raise a DeliveryError if that fails."""
        if receiver.kind is ReceiverKind.BELL:
            persistent_notification.async_dismiss(self._hass, tag)
        elif receiver.kind is ReceiverKind.PHONE:
            await self._async_call(
                self._phone_action(receiver),
                {ATTR_MESSAGE: _CLEAR, ATTR_DATA: {"tag": tag}},
            )

    async def _async_send_to_entity(self, receiver: Receiver, message: Message) -> None:
        registry = er.async_get(self._hass)
        entity_id = er.async_resolve_entity_id(registry, receiver.target)
        state = self._hass.states.get(entity_id) if entity_id else None
        # Home Assistant would skip it without an error.
        if state is None or state.state == STATE_UNAVAILABLE:
            raise DeliveryError("unavailable")
        await self._async_call(
            SERVICE_SEND_MESSAGE,
            {
                ATTR_ENTITY_ID: entity_id,
                ATTR_TITLE: message.title,
                ATTR_MESSAGE: message.text,
            },
        )

    async def _async_call(self, action: str, data: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._hass.services.async_call(
                    NOTIFY_DOMAIN, action, data, blocking=True
                )
        except Exception as err:
            # An action of another integration may raise anything.
            raise DeliveryError(type(err).__name__) from err

    def _phone_action(self, receiver: Receiver) -> str:
        """Return the action of a phone; its name follows that of the device."""
        if MOBILE_APP not in self._hass.config.components:
            raise DeliveryError("no mobile app")
        from homeassistant.components.mobile_app.util import (  # noqa: PLC0415 - installed where it is set up
            get_notify_service,
            webhook_id_from_device_id,
        )

        webhook_id = webhook_id_from_device_id(self._hass, receiver.target)
        try:
            action = webhook_id and get_notify_service(self._hass, webhook_id)
        except KeyError:
            # Its notify platform is not set up yet.
            action = None
        if not action:
            raise DeliveryError("no action")
        return action

    def _phone_data(
        self, receiver: Receiver, message: Message, words: Translations, link: str
    ) -> dict[str, Any]:
        """Return the data of a notification for the app on Android or iOS."""
        apple = self._is_apple(receiver)
        data: dict[str, Any] = {"tag": message.tag, "group": "keycard"}
        if message.token is not None:
            data |= {
                ATTR_TOKEN: message.token,
                "actions": [
                    {
                        "action": f"keycard_{message.token}_{button}",
                        "title": words.format(f"button_{button}"),
                    }
                    for button in Button
                ],
            }
        if message.live:
            data["live_update"] = True
        if apple:
            level = "time-sensitive" if message.urgent else "active"
            if message.quiet:
                level = "passive"
            return data | {
                "url": link,
                "notification_icon": _ICON,
                "notification_icon_color": _RED if message.since else _GREEN,
                "push": {"interruption-level": level},
            }
        data |= {
            # The importance of a channel cannot be changed.
            "channel": words.format("channel_quiet" if message.quiet else "channel"),
            "importance": "low" if message.quiet else "high",
            "ttl": 0,
            "priority": "high",
            "alert_once": message.quiet,
            "clickAction": link,
            "notification_icon": _ICON,
            "color": _RED if message.since else _GREEN,
            "confirmation": True,
            "visibility": "private" if message.private else "public",
        }
        if message.since is not None:
            data |= {"chronometer": True, "when": int(message.since.timestamp())}
        return data

    def supports_live_update(self, receiver: Receiver) -> bool:
        """Return whether a phone shows live updates.

        Other phones would show an ordinary notification. Live updates need remote push:
        on iOS with a push-to-start token of the app, on Android with version 16.
        """
        device = dr.async_get(self._hass).async_get(receiver.target)
        if receiver.kind is not ReceiverKind.PHONE or not isinstance(
            device, dr.DeviceEntry
        ):
            return False
        entry = self._hass.config_entries.async_get_entry(device.config_entry_id)
        app_data = entry.data.get("app_data", {}) if entry is not None else {}
        if self._is_apple(receiver):
            return "start_live_activity_token" in app_data
        version = re.match(r"\d+", device.sw_version or "")
        recent = version is not None and int(version[0]) >= _LIVE_UPDATES_ANDROID
        return "push_url" in app_data and recent

    def shows_private(self, receiver: Receiver) -> bool:
        """Return whether a receiver keeps private text off a locked screen."""
        if receiver.kind is ReceiverKind.BELL:
            return True
        return receiver.kind is ReceiverKind.PHONE and not self._is_apple(receiver)

    def _is_apple(self, receiver: Receiver) -> bool:
        """Return whether a phone runs iOS, or may do so."""
        device = dr.async_get(self._hass).async_get(receiver.target)
        return not isinstance(device, dr.DeviceEntry) or device.manufacturer == "Apple"
