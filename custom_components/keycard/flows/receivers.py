"""Flow steps for the receivers of notifications."""

from collections.abc import Iterable, Mapping
import re
from typing import Any

import voluptuous as vol

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlowWithReload,
    SubentryFlowResult,
)
from homeassistant.const import CONF_DEVICE_ID, CONF_ENTITY_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.helpers.selector import (
    BooleanSelector,
    DeviceSelector,
    DeviceSelectorConfig,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    TimeSelector,
)

from ..const import (
    CONF_ALL_CLEAR,
    CONF_BEFORE,
    CONF_BREAKS,
    CONF_ENABLED,
    CONF_NOTIFICATIONS,
    CONF_PERSON,
    CONF_QUIET,
    CONF_QUIET_FROM,
    CONF_QUIET_TO,
    CONF_REMINDER,
    CONF_WAIT,
    CONF_WARNINGS,
    CONF_WHEN,
    SUBENTRY_RECEIVER,
)
from ..notifications.delivery import MOBILE_APP
from ..notifications.markdown import escape_markdown
from ..notifications.receivers import Receiver, ReceiverKind, When
from ..notifications.subentries import BELL_NAME, receiver_subentry
from ..vehicle.urgent_conditions import UrgentCondition

CONF_PHONES = "phones"
CONF_OTHERS = "others"
CONF_BELL = "bell"

_MOST_MINUTES = 24 * 60
# Names of models that are tablets; those of Samsung and Lenovo are numbers.
_TABLET = re.compile(r"ipad|tablet|\b(tab|pad)\b|^(sm-[tx]|tb-?)\d", re.IGNORECASE)

_PHONE = DeviceSelectorConfig(filter=[{"integration": MOBILE_APP}])
_WHEN = SelectSelector(
    SelectSelectorConfig(options=[one.value for one in When], translation_key="when")
)
_MINUTES = NumberSelector(
    NumberSelectorConfig(
        min=0,
        max=_MOST_MINUTES,
        step=1,
        mode=NumberSelectorMode.BOX,
        unit_of_measurement="min",
    )
)
_PERSON_FIELDS = {
    vol.Optional(CONF_PERSON): EntitySelector(EntitySelectorConfig(domain="person")),
    vol.Required(CONF_WHEN, default=When.AT_ONCE): _WHEN,
}
NOTIFICATIONS_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ENABLED, default=True): BooleanSelector(),
        vol.Required(CONF_WAIT, default=0): _MINUTES,
        vol.Required(CONF_REMINDER, default=0): _MINUTES,
        vol.Required(CONF_QUIET, default=False): BooleanSelector(),
        vol.Required(CONF_QUIET_FROM, default="22:00:00"): TimeSelector(),
        vol.Required(CONF_QUIET_TO, default="07:00:00"): TimeSelector(),
        vol.Required(
            CONF_BREAKS, default=[one.value for one in UrgentCondition]
        ): SelectSelector(
            SelectSelectorConfig(
                options=[one.value for one in UrgentCondition],
                translation_key="breaks_quiet",
                multiple=True,
            )
        ),
        vol.Required(CONF_WARNINGS, default=True): BooleanSelector(),
        vol.Required(CONF_ALL_CLEAR, default=True): BooleanSelector(),
    }
)


@callback
def phones_of_persons(hass: HomeAssistant) -> dict[str, str]:
    """Return the phones that persons carry, with the person of each."""
    entities, devices = er.async_get(hass), dr.async_get(hass)
    found: dict[str, str] = {}
    for person in hass.states.async_all("person"):
        for tracker in person.attributes.get("device_trackers", []):
            entity = entities.async_get(tracker)
            if entity is None or entity.platform != MOBILE_APP:
                continue
            device = devices.async_get(entity.device_id) if entity.device_id else None
            if not isinstance(device, dr.DeviceEntry) or device.disabled:
                continue
            if not _TABLET.search(device.model or ""):
                found[device.id] = person.entity_id
    return found


def _stable_id(hass: HomeAssistant, entity_id: str) -> str:
    """Return an ID of an entity that its renaming does not change."""
    entity = er.async_get(hass).async_get(entity_id)
    return entity.id if entity is not None else entity_id


def _entity_name(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    return state.name if state is not None else entity_id


def _phone(
    hass: HomeAssistant, device_id: str, person: str | None, when: When = When.AT_ONCE
) -> Receiver:
    device = dr.async_get(hass).async_get(device_id)
    name = (device.name_by_user or device.name) if device is not None else None
    return Receiver(
        kind=ReceiverKind.PHONE,
        target=device_id,
        person=_stable_id(hass, person) if person else None,
        when=when,
        name=name or device_id,
    )


def _entity(
    hass: HomeAssistant, entity_id: str, person: str | None, when: When = When.AT_ONCE
) -> Receiver:
    return Receiver(
        kind=ReceiverKind.ENTITY,
        target=_stable_id(hass, entity_id),
        person=_stable_id(hass, person) if person else None,
        when=when,
        name=_entity_name(hass, entity_id),
    )


BELL = Receiver(kind=ReceiverKind.BELL, name=BELL_NAME)


def receivers_schema(hass: HomeAssistant) -> vol.Schema:
    """Return the form fields for the receivers of notifications."""
    phones = [*phones_of_persons(hass)]
    return vol.Schema(
        {
            vol.Optional(CONF_PHONES, default=phones): DeviceSelector(
                DeviceSelectorConfig(multiple=True, **_PHONE)
            ),
            vol.Optional(CONF_OTHERS, default=[]): EntitySelector(
                EntitySelectorConfig(
                    domain="notify", multiple=True, exclude_entities=_of_phones(hass)
                )
            ),
            vol.Required(CONF_BELL, default=True): BooleanSelector(),
        }
    )


def _of_phones(hass: HomeAssistant) -> list[str]:
    """Return the notify entities of phones, which are receivers themselves."""
    return [
        entity.entity_id
        for entity in er.async_get(hass).entities.values()
        if entity.domain == "notify" and entity.platform == MOBILE_APP
    ]


def chosen_receivers(
    hass: HomeAssistant, user_input: Mapping[str, Any]
) -> Iterable[ConfigSubentryData]:
    """Yield the subentries of the chosen receivers."""
    persons = phones_of_persons(hass)
    for device_id in user_input.get(CONF_PHONES, []):
        yield receiver_subentry(_phone(hass, device_id, persons.get(device_id)))
    for entity_id in user_input.get(CONF_OTHERS, []):
        yield receiver_subentry(_entity(hass, entity_id, None))
    if user_input[CONF_BELL]:
        yield receiver_subentry(BELL)


def phone_subentries(hass: HomeAssistant) -> list[ConfigSubentryData]:
    """Return the subentries of the phones that persons carry."""
    return [
        receiver_subentry(_phone(hass, device_id, person))
        for device_id, person in phones_of_persons(hass).items()
    ]


def relay_subentries(
    hass: HomeAssistant, relays: Iterable[Mapping[str, Any]]
) -> list[ConfigSubentryData]:
    """Return the subentries of the receivers of automations, from their inputs."""
    persons = phones_of_persons(hass)
    found = []
    for inputs in relays:
        leaving = inputs.get(CONF_WHEN) == When.LEAVING
        for device_id in inputs.get(CONF_PHONES, []):
            person = persons.get(device_id)
            when = When.LEAVING if leaving and person else When.AT_ONCE
            found.append(receiver_subentry(_phone(hass, device_id, person, when)))
        found += [
            receiver_subentry(_entity(hass, entity_id, None))
            for entity_id in inputs.get("notify_entities", [])
        ]
    return found


def relay_settings(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of notifications that the inputs of an automation name."""
    settings: dict[str, Any] = {
        name: round(cv.time_period(inputs[name]).total_seconds() / 60)
        for name in (CONF_WAIT, CONF_REMINDER)
        if name in inputs
    }
    if inputs.get("quiet_hours"):
        settings[CONF_QUIET] = True
    return settings | {
        name: inputs[name]
        for name in (CONF_QUIET_FROM, CONF_QUIET_TO)
        if name in inputs
    }


class ReceiverFlow(ConfigSubentryFlow):
    """Handle the subentry flow of a receiver."""

    async def async_step_user(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the kind of receiver."""
        return self.async_show_menu(
            step_id="user", menu_options=[one.value for one in ReceiverKind]
        )

    async def async_step_phone(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a phone with the Home Assistant app."""
        if user_input is not None:
            device_id = user_input[CONF_DEVICE_ID]
            person = user_input.get(CONF_PERSON)
            if person is None:
                person = phones_of_persons(self.hass).get(device_id)
            when = When(user_input[CONF_WHEN])
            receiver = _phone(self.hass, device_id, person, when)
            if when is When.AT_ONCE or person is not None:
                return self._save(receiver)
        return self._show_form(
            "phone", {vol.Required(CONF_DEVICE_ID): DeviceSelector(_PHONE)}, user_input
        )

    async def async_step_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for a notify entity of another service."""
        if user_input is not None:
            person, when = user_input.get(CONF_PERSON), When(user_input[CONF_WHEN])
            receiver = _entity(self.hass, user_input[CONF_ENTITY_ID], person, when)
            if when is When.AT_ONCE or person is not None:
                return self._save(receiver)
        selector = EntitySelector(
            EntitySelectorConfig(
                domain="notify", exclude_entities=_of_phones(self.hass)
            )
        )
        return self._show_form(
            "entity", {vol.Required(CONF_ENTITY_ID): selector}, user_input
        )

    async def async_step_bell(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Add the notifications of Home Assistant itself."""
        return self._save(BELL)

    async def async_step_reconfigure(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change a receiver."""
        subentry = self._get_reconfigure_subentry()
        receiver = Receiver.from_data(subentry.data, subentry.title)
        registry = er.async_get(self.hass)

        def entity_id(stable_id: str | None) -> str | None:
            return stable_id and er.async_resolve_entity_id(registry, stable_id)

        person = {CONF_PERSON: entity_id(receiver.person)} if receiver.person else {}
        suggested = {CONF_WHEN: receiver.when.value, **person}
        match receiver.kind:
            case ReceiverKind.PHONE:
                fields: dict[Any, Any] = {
                    vol.Required(CONF_DEVICE_ID): DeviceSelector(_PHONE)
                }
                suggested[CONF_DEVICE_ID] = receiver.target
                step = "phone"
            case ReceiverKind.ENTITY:
                fields = {
                    vol.Required(CONF_ENTITY_ID): EntitySelector(
                        EntitySelectorConfig(domain="notify")
                    )
                }
                suggested[CONF_ENTITY_ID] = entity_id(receiver.target)
                step = "entity"
            case _:
                return self.async_abort(reason="nothing_to_change")
        return self._show_form(step, fields, suggested, errors=False)

    def _show_form(
        self,
        step: str,
        fields: dict[Any, Any],
        suggested: Mapping[str, Any] | None,
        *,
        errors: bool = True,
    ) -> SubentryFlowResult:
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({**fields, **_PERSON_FIELDS}), suggested
            ),
            # It is shown again only if the person is missing.
            errors={CONF_PERSON: "no_person"} if suggested and errors else {},
        )

    def _save(self, receiver: Receiver) -> SubentryFlowResult:
        """Create or update the subentry; receivers apply without a reload."""
        entry = self._get_entry()
        changed = (
            self._get_reconfigure_subentry()
            if self.source == SOURCE_RECONFIGURE
            else None
        )
        if any(
            one.unique_id == receiver.id and one != changed
            for one in entry.get_subentries_of_type(SUBENTRY_RECEIVER)
        ):
            return self.async_abort(reason="already_configured")
        if changed is not None:
            return self.async_update_and_abort(
                entry,
                changed,
                title=receiver.name,
                data=receiver.as_data(),
                unique_id=receiver.id,
            )
        return self.async_create_entry(
            title=receiver.name, data=receiver.as_data(), unique_id=receiver.id
        )


class NotificationOptions(OptionsFlowWithReload):
    """Options flow step for notifications."""

    async def async_step_notifications(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask when receivers are notified; this applies without a reload."""
        options = self.config_entry.options
        known = options.get(CONF_NOTIFICATIONS, {})
        if user_input is not None:
            self.automatic_reload = False
            if known.get(CONF_ENABLED, True) and not user_input[CONF_ENABLED]:
                # A user who turns notifications off needs no hint about them.
                known = {**known, CONF_BEFORE: False}
            return self.async_create_entry(
                data={**options, CONF_NOTIFICATIONS: {**known, **user_input}}
            )
        receivers = self.config_entry.get_subentries_of_type(SUBENTRY_RECEIVER)
        return self.async_show_form(
            step_id="notifications",
            data_schema=self.add_suggested_values_to_schema(
                NOTIFICATIONS_SCHEMA, known
            ),
            description_placeholders={
                "receivers": ", ".join(escape_markdown(one.title) for one in receivers)
                or "-"
            },
        )
