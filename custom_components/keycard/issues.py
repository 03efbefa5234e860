"""What an owner must act on, shown as repairs: each goes when it is solved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
import time

import tesla_fleet_api

from homeassistant.const import CONF_DOMAIN
from homeassistant.core import CALLBACK_TYPE, HassJob, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.issue_registry import IssueSeverity

from .auth.keys import pairing_link
from .const import CONF_PROVIDER, CONF_SERVER, DASHBOARD, DOMAIN, PROVIDER_FLEET
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .external.owner_api import async_find_users
from .notifications.markdown import escape_markdown
from .outage.evidence import Reason
from .outage.health import Health
from .outage.models import OUTAGES, Status
from .providers import SERVICES
from .transport.library import missing_members
from .transport.pinning import spell_fingerprint
from .vehicle.product_list import MOST_VEHICLES, parse_unpaired

# The first look is for what a set-up left undone. None of them is billed.
FIRST = 120.0
PACE = 3600.0


@dataclass(kw_only=True)
class SigningKeyCheck:
    """Know which cars of an entry that signs do not take its key.

    A refused command tells it at once; this looks whether that is still so, and calls
    `found` after each answer.
    """

    coordinator: KeycardCoordinator
    found: Callable[[], None]
    _settled: frozenset[str] = field(default=frozenset(), init=False)
    _unsub: CALLBACK_TYPE | None = field(default=None, init=False)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Look soon, and then from time to time."""
        self._schedule(FIRST)

        @callback
        def stop() -> None:
            if self._unsub is not None:
                self._unsub()

        return stop

    def _schedule(self, delay: float) -> None:
        job = HassJob(self._async_look, cancel_on_shutdown=True)
        self._unsub = async_call_later(self.coordinator.hass, delay, job)

    @callback
    def _async_look(self, _now: datetime) -> None:
        self._schedule(PACE)
        if self._wanted():
            self.coordinator.config_entry.async_create_background_task(
                self.coordinator.hass, self._async_ask(), f"{DOMAIN} asks for its key"
            )

    def _wanted(self) -> bool:
        """Tell whether there is a doubt, and somebody who may be asked."""
        cars, judge = self.coordinator.cars, self.coordinator.judge
        if judge.assessment.status is not Status.OPERATIONAL:
            return False
        if time.monotonic() < judge.account.paused_until:
            return False
        return any(car.vehicle.unpaired for car in cars.values()) or (
            not self._settled >= set(cars)
        )

    async def _async_ask(self) -> None:
        link = self.coordinator.provider.link
        if link is None or not link.can_sign:
            return
        asked = frozenset(self.coordinator.cars)
        call = await link.fleet_status(sorted(asked))
        unpaired = parse_unpaired(call.body, asked)
        if unpaired is None:
            return
        self._settled = asked
        for vin in asked & self.coordinator.cars.keys():
            self.coordinator.cars[vin].vehicle.unpaired = vin in unpaired
        self.found()


DOCUMENTATION = "https://github.com/keycard-ha/keycard#repairs"


# Home Assistant's own page of the entries, where they are reconfigured.
_INTEGRATION = f"homeassistant://config/integrations/integration/{DOMAIN}"


class IssueType(StrEnum):
    """What only an owner can end."""

    BILLING_LIMIT = "billing_limit"
    PAYMENT_NEEDED = "payment_needed"
    ACCOUNT_REFUSED = "account_refused"
    NOT_REGISTERED = "not_registered"
    WRONG_REGION = "wrong_region"
    CAR_REFUSED = "car_refused"
    OWNER_API_CLOSED = "owner_api_closed"
    CAR_PAYMENT_NEEDED = "car_payment_needed"
    KEY_NOT_PAIRED = "key_not_paired"
    KEY_FILE = "key_file"
    BLUETOOTH_KEY_NOT_PAIRED = "bluetooth_key_not_paired"
    BLUETOOTH_KEY_FILE = "bluetooth_key_file"
    BLUETOOTH_LIBRARY = "bluetooth_library"
    BLUETOOTH_STRANGER = "bluetooth_stranger"
    BLUETOOTH_UNSEALED = "bluetooth_unsealed"
    BLUETOOTH_PROVISIONAL = "bluetooth_provisional"
    NO_POWER = "no_power"
    CERTIFICATE_CHANGED = "certificate_changed"
    TOO_MANY_VEHICLES = "too_many_vehicles"


# To sign in again is Home Assistant's own; what passes by itself is no repair.
_ACCOUNT: Mapping[Reason, IssueType] = {
    Reason.BILLING_LIMIT: IssueType.BILLING_LIMIT,
    Reason.PAYMENT: IssueType.PAYMENT_NEEDED,
    Reason.FORBIDDEN: IssueType.ACCOUNT_REFUSED,
    Reason.NOT_REGISTERED: IssueType.NOT_REGISTERED,
    Reason.WRONG_REGION: IssueType.WRONG_REGION,
}
_STOPS_ALL = frozenset(_ACCOUNT.values())

# Another integration may just be starting.
_OWNER_API_FOR = 1800.0

# What holds whatever becomes of the maker's cloud.
_LOCAL = frozenset(
    {
        IssueType.BLUETOOTH_KEY_NOT_PAIRED,
        IssueType.BLUETOOTH_KEY_FILE,
        IssueType.BLUETOOTH_LIBRARY,
        IssueType.CERTIFICATE_CHANGED,
        IssueType.TOO_MANY_VEHICLES,
        IssueType.BLUETOOTH_STRANGER,
        IssueType.BLUETOOTH_UNSEALED,
        IssueType.BLUETOOTH_PROVISIONAL,
    }
)

_ANSWERS = frozenset({Status.OPERATIONAL, Status.ACCOUNT_PROBLEM})

type Found = dict[IssueType, dict[str, str]]
"""What is wrong, with what its text has to name."""


@dataclass(kw_only=True)
class Issues:
    """The repairs of one entry.

    What the cloud says begins none in an outage, for then everything that is refused
    may be its work; one that is there stays until an answer shows that it is solved.
    """

    entry: KeycardConfigEntry
    coordinator: KeycardCoordinator
    _shown: Found = field(default_factory=dict, init=False)
    _owner_api_since: float | None = field(default=None, init=False)

    @callback
    def async_update(self) -> None:
        """Show what is wrong now, and what is no longer no more."""
        found = self._find()
        for trouble in self._shown.keys() - found.keys():
            ir.async_delete_issue(self.coordinator.hass, DOMAIN, self._id(trouble))
        for trouble, names in found.items():
            if self._shown.get(trouble) != names:
                self._show(trouble, names)
        self._shown = found

    @callback
    def async_stop(self) -> None:
        """Take everything down: an entry that does not run has nothing to say."""
        for trouble in self._shown:
            ir.async_delete_issue(self.coordinator.hass, DOMAIN, self._id(trouble))
        self._shown = {}

    def _id(self, trouble: IssueType) -> str:
        # No VIN: it would get into storage and diagnostics.
        return f"{self.entry.entry_id}_{trouble}"

    def _show(self, trouble: IssueType, names: Mapping[str, str]) -> None:
        stops_all = trouble in _STOPS_ALL or trouble is IssueType.CERTIFICATE_CHANGED
        ir.async_create_issue(
            self.coordinator.hass,
            DOMAIN,
            self._id(trouble),
            is_fixable=False,
            learn_more_url=self._more(trouble),
            severity=IssueSeverity.ERROR if stops_all else IssueSeverity.WARNING,
            translation_key=trouble.value,
            translation_placeholders=_escaped({"entry": self.entry.title, **names}),
        )

    def _more(self, trouble: IssueType) -> str:
        service = SERVICES.get(self.entry.data[CONF_PROVIDER])
        if (
            trouble in (IssueType.PAYMENT_NEEDED, IssueType.CAR_PAYMENT_NEEDED)
            and service
        ):
            return service.console
        if trouble is IssueType.BILLING_LIMIT and service is None:
            return DASHBOARD
        if trouble is IssueType.CERTIFICATE_CHANGED:
            return f"{_INTEGRATION}#config_entry={self.entry.entry_id}"
        return DOCUMENTATION

    def _find(self) -> Found:
        """Return what is wrong."""
        named = self.coordinator.cars
        cars = named.values()
        found: Found = {}
        if (trouble := self._account_issue()) is not None:
            found[trouble] = {}
        if unpaid := sorted(
            car.vehicle.title for car in cars if not car.subscription_active
        ):
            found[IssueType.CAR_PAYMENT_NEEDED] = {"cars": ", ".join(unpaid)}
        refused = self.coordinator.judge.account.refused_vehicles()
        if found.keys().isdisjoint(_STOPS_ALL) and refused:
            names = sorted(
                car.vehicle.title for vin, car in named.items() if vin in refused
            )
            found[IssueType.CAR_REFUSED] = {"cars": ", ".join(names)}
        if users := self._find_owner_api_users():
            found[IssueType.OWNER_API_CLOSED] = {"integration": ", ".join(users)}
        domain = self.entry.data.get(CONF_DOMAIN, "")
        if links := sorted(
            f"- [{escape_markdown(car.vehicle.title)}]"
            f"({pairing_link(domain, car.vehicle.id)})"
            for car in cars
            if car.vehicle.unpaired
        ):
            found[IssueType.KEY_NOT_PAIRED] = {"links": "\n".join(links)}
        link = self.coordinator.provider.link
        fleet = self.entry.data[CONF_PROVIDER] == PROVIDER_FLEET
        signs_itself = fleet and CONF_SERVER not in self.entry.data
        if signs_itself and not (link and link.can_sign):
            found[IssueType.KEY_FILE] = {}
        found |= self._of_bluetooth()
        if self.coordinator.garage.key_lost:
            if missing_members():
                version = tesla_fleet_api.__version__
                found[IssueType.BLUETOOTH_LIBRARY] = {"version": version}
            else:
                found[IssueType.BLUETOOTH_KEY_FILE] = {}
        pin = self.coordinator.provider.pin
        if pin is not None and pin.refused is not None:
            found[IssueType.CERTIFICATE_CHANGED] = {
                "fingerprint": spell_fingerprint(pin.refused.fingerprint)
            }
        if (count := self.coordinator.garage.too_many) is not None:
            most = str(MOST_VEHICLES)
            found[IssueType.TOO_MANY_VEHICLES] = {"count": str(count), "most": most}
        now = time.monotonic()
        if silent := sorted(
            car.vehicle.title for car in cars if car.unreachable_timer.expired(now)
        ):
            found[IssueType.NO_POWER] = {"cars": ", ".join(silent)}
        return {
            trouble: names
            for trouble, names in found.items()
            if trouble in self._shown or self._may_create(trouble)
        }

    def _of_bluetooth(self) -> Found:
        """Return what the owner must know of the cars that have the Bluetooth key."""
        cars = {
            car.vehicle.title: car.vehicle.trust
            for car in self.coordinator.cars.values()
            if car.bluetooth is not None
        }
        names = {
            IssueType.BLUETOOTH_KEY_NOT_PAIRED: [
                name for name, trust in cars.items() if trust.history.key_lost
            ],
            IssueType.BLUETOOTH_STRANGER: [
                name for name, trust in cars.items() if trust.history.pretender
            ],
            IssueType.BLUETOOTH_UNSEALED: [
                name for name, trust in cars.items() if trust.history.unsealed
            ],
            IssueType.BLUETOOTH_PROVISIONAL: [
                name for name, trust in cars.items() if trust.keys.provisional
            ],
        }
        return {
            trouble: {"cars": ", ".join(sorted(found))}
            for trouble, found in names.items()
            if found
        }

    def _find_owner_api_users(self) -> list[str]:
        """Return who has asked the closed Owner API in vain for a while, told once."""
        hass = self.coordinator.hass
        loaded = hass.config_entries.async_loaded_entries(DOMAIN)
        first = min((one.entry_id for one in loaded), default=self.entry.entry_id)
        healthy = self.coordinator.judge.assessment.status in _ANSWERS
        users = async_find_users(hass) if first >= self.entry.entry_id else []
        if not users:
            self._owner_api_since = None
        elif self._owner_api_since is None and healthy:
            self._owner_api_since = time.monotonic()
        since = self._owner_api_since
        if IssueType.OWNER_API_CLOSED in self._shown:
            return users
        if since is None or not healthy:
            # In an outage, others get nothing either.
            self._owner_api_since = None
            return []
        return users if time.monotonic() - since >= _OWNER_API_FOR else []

    def _account_issue(self) -> IssueType | None:
        """Return what the maker holds against the account, if it said so twice."""
        account = self.coordinator.judge.account
        trouble = None if account.reason is None else _ACCOUNT.get(account.reason)
        if trouble in self._shown or account.persistent:
            return trouble
        return None

    def _may_create(self, trouble: IssueType) -> bool:
        coordinator = self.coordinator
        status = coordinator.judge.assessment.status
        if trouble in _LOCAL:
            return True
        if trouble is IssueType.NO_POWER:
            return status is Status.OPERATIONAL
        if trouble not in _STOPS_ALL:
            return status not in OUTAGES
        # Whoever is refused while the host fails may not be refused at all.
        health = coordinator.watcher.watch.health(coordinator.region, time.monotonic())
        return status is Status.ACCOUNT_PROBLEM and health is Health.UP


def _escaped(names: Mapping[str, str]) -> dict[str, str]:
    """Add each name as a description has it: titles are plain text, those Markdown."""
    escaped = {f"{key}_escaped": escape_markdown(name) for key, name in names.items()}
    return {**names, **escaped}


@callback
def async_follow_issues(entry: KeycardConfigEntry) -> None:
    """Show the repairs of an entry while it runs."""
    coordinator = entry.runtime_data
    link = coordinator.provider.link
    issues = Issues(entry=entry, coordinator=coordinator)
    entry.async_on_unload(issues.async_stop)
    entry.async_on_unload(coordinator.watcher.async_add_listener(issues.async_update))
    if (pin := coordinator.provider.pin) is not None:
        entry.async_on_unload(pin.add_listener(issues.async_update))
    if link is not None and link.can_sign:
        pairing = SigningKeyCheck(coordinator=coordinator, found=issues.async_update)
        entry.async_on_unload(pairing.async_start())
    issues.async_update()
