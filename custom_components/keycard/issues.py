"""Repair issues for Keycard."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
import time
from typing import override

from homeassistant.const import CONF_DOMAIN
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.issue_registry import IssueSeverity

from .auth.keys import pairing_url
from .const import CONF_PROVIDER, CONF_SERVER, DASHBOARD, DOMAIN, PROVIDER_FLEET
from .coordinator import KeycardConfigEntry
from .external.owner_api import async_find_affected_integrations
from .helpers.timer import Timer
from .notifications.markdown import escape_markdown
from .outage.confirmation import Health
from .outage.evidence import Reason
from .outage.models import OUTAGES, Status
from .providers import SERVICES
from .transport.cloud import FleetClient
from .transport.library import LIBRARY_VERSION, missing_members
from .transport.pinning import ServerCertificate
from .vehicle.product_list import MAX_VEHICLES, parse_unpaired

DOCUMENTATION = "https://github.com/keycard-ha/keycard#repairs"

# The first check finds missing steps of the set-up. The requests are not billed.
_FIRST_CHECK = 120.0
_CHECK_INTERVAL = 3600.0

# While the certificate of the user's own server is rejected.
_CERTIFICATE_INTERVAL = 300.0


@dataclass(kw_only=True)
class _RegularCheck(ABC):
    """A check soon after the start, and then regularly."""

    hass: HomeAssistant
    entry: KeycardConfigEntry
    client: FleetClient
    _timer: Timer = field(init=False)

    def __post_init__(self) -> None:
        """Create the timer."""
        self._timer = Timer(self.hass, self._async_check_due)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Schedule the first check, and return a function that ends the checks."""
        self._timer.async_schedule(_FIRST_CHECK)
        return self._timer.async_cancel

    @abstractmethod
    def _async_check_due(self) -> None:
        """Make a check, and schedule the next one."""


@dataclass(kw_only=True)
class SigningKeyCheck(_RegularCheck):
    """Check which vehicles lack the key that signs the commands of an entry.

    A rejected command shows it at once; this checks whether it is still the case, and
    calls `on_update` after each response.
    """

    on_update: Callable[[], None]
    _checked_vins: frozenset[str] = field(default=frozenset(), init=False)

    @callback
    @override
    def _async_check_due(self) -> None:
        self._timer.async_schedule(_CHECK_INTERVAL)
        if self._should_check():
            self.entry.async_create_background_task(
                self.hass, self._async_check(), f"{DOMAIN} signing key check"
            )

    def _should_check(self) -> bool:
        """Return whether vehicles are unchecked or unpaired, and Tesla can be asked."""
        data = self.entry.runtime_data
        if data.detector.assessment.status is not Status.OPERATIONAL:
            return False
        if data.detector.calls_paused(time.monotonic()):
            return False
        return any(one.vehicle.unpaired for one in data.vehicles.values()) or (
            not self._checked_vins >= set(data.vehicles)
        )

    async def _async_check(self) -> None:
        vehicles = self.entry.runtime_data.vehicles
        vins = frozenset(vehicles)
        call = await self.client.fleet_status(sorted(vins))
        unpaired = parse_unpaired(call.body, vins)
        if unpaired is None:
            return
        self._checked_vins = vins
        for vin in vins & vehicles.keys():
            vehicles[vin].vehicle.update_pairing(paired=vin not in unpaired)
        self.on_update()


@dataclass(kw_only=True)
class CertificateCheck(_RegularCheck):
    """Check the certificate of a server that gets only commands.

    Otherwise the first command would find that it is not trusted.
    """

    certificate: ServerCertificate

    @callback
    @override
    def _async_check_due(self) -> None:
        rejected = self.certificate.rejected
        self._timer.async_schedule(
            _CERTIFICATE_INTERVAL if rejected else _CHECK_INTERVAL
        )
        self.entry.async_create_background_task(
            self.hass,
            self.client.contact_command_server(),
            f"{DOMAIN} certificate check",
        )


class IssueType(StrEnum):
    """Issues that the user can resolve."""

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
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    TOO_MANY_VEHICLES = "too_many_vehicles"


# Reauthentication is a flow of its own; reasons that pass by themselves are omitted.
_ACCOUNT_ISSUES: Mapping[Reason, IssueType] = {
    Reason.BILLING_LIMIT: IssueType.BILLING_LIMIT,
    Reason.PAYMENT: IssueType.PAYMENT_NEEDED,
    Reason.FORBIDDEN: IssueType.ACCOUNT_REFUSED,
    Reason.NOT_REGISTERED: IssueType.NOT_REGISTERED,
    Reason.WRONG_REGION: IssueType.WRONG_REGION,
}
_ENTRY_BLOCKING = frozenset(_ACCOUNT_ISSUES.values())

# Another integration may still be starting.
_OWNER_API_DELAY = 1800.0

# With a fix flow, in which the user may trust the certificate.
CERTIFICATE_ISSUES = frozenset(
    {IssueType.CERTIFICATE_CHANGED, IssueType.CERTIFICATE_UNTRUSTED}
)

# The user's network answers in the place of any server, or the clock is wrong.
_INTERCEPTED = frozenset({Reason.CERTIFICATE, Reason.PORTAL})

# Independent of Tesla's cloud.
_LOCAL = frozenset(
    {
        IssueType.BLUETOOTH_KEY_NOT_PAIRED,
        IssueType.BLUETOOTH_KEY_FILE,
        IssueType.BLUETOOTH_LIBRARY,
        *CERTIFICATE_ISSUES,
        IssueType.TOO_MANY_VEHICLES,
        IssueType.BLUETOOTH_STRANGER,
        IssueType.BLUETOOTH_UNSEALED,
        IssueType.BLUETOOTH_PROVISIONAL,
    }
)

_RESPONDING = frozenset({Status.OPERATIONAL, Status.ACCOUNT_PROBLEM})

type FoundIssues = dict[IssueType, dict[str, str]]
"""Issues with their translation placeholders."""


@dataclass(kw_only=True)
class Issues:
    """Repair issues of an entry.

    Responses of the cloud create no issue in an outage, as it may reject anything then;
    an existing issue stays until a response shows that it is resolved.
    """

    hass: HomeAssistant
    entry: KeycardConfigEntry
    _shown: FoundIssues = field(default_factory=dict, init=False)
    _owner_api_since: float | None = field(default=None, init=False)

    @callback
    def async_update(self) -> None:
        """Create new issues, and delete resolved ones."""
        found = self._find()
        for issue in self._shown.keys() - found.keys():
            ir.async_delete_issue(self.hass, DOMAIN, self._issue_id(issue))
        for issue, names in found.items():
            if self._shown.get(issue) != names:
                self._create(issue, names)
        self._shown = found

    @callback
    def async_stop(self) -> None:
        """Delete all issues."""
        for issue in self._shown:
            ir.async_delete_issue(self.hass, DOMAIN, self._issue_id(issue))
        self._shown = {}

    def _issue_id(self, issue: IssueType) -> str:
        # Without a VIN, as IDs are part of storage and diagnostics.
        return f"{self.entry.entry_id}_{issue}"

    def _create(self, issue: IssueType, names: Mapping[str, str]) -> None:
        fixable = issue in CERTIFICATE_ISSUES
        blocking = fixable or issue in _ENTRY_BLOCKING
        ir.async_create_issue(
            self.hass,
            DOMAIN,
            self._issue_id(issue),
            data={"entry_id": self.entry.entry_id, "issue": issue} if fixable else None,
            is_fixable=fixable,
            learn_more_url=self._learn_more_url(issue),
            severity=IssueSeverity.ERROR if blocking else IssueSeverity.WARNING,
            translation_key=issue.value,
            translation_placeholders=_with_escaped(
                {"entry": self.entry.title, **names}
            ),
        )

    def _learn_more_url(self, issue: IssueType) -> str:
        service = SERVICES.get(self.entry.data[CONF_PROVIDER])
        if (
            issue in (IssueType.PAYMENT_NEEDED, IssueType.CAR_PAYMENT_NEEDED)
            and service
        ):
            return service.console_url
        if issue is IssueType.BILLING_LIMIT and service is None:
            return DASHBOARD
        return DOCUMENTATION

    def _find(self) -> FoundIssues:
        """Return the current issues."""
        data = self.entry.runtime_data
        vehicles = data.vehicles
        coordinators = vehicles.values()
        found: FoundIssues = {}
        if (issue := self._account_issue()) is not None:
            found[issue] = {}
        if unpaid := sorted(
            coordinator.vehicle.title
            for coordinator in coordinators
            if not coordinator.subscription_active
        ):
            found[IssueType.CAR_PAYMENT_NEEDED] = {"cars": ", ".join(unpaid)}
        refused = data.detector.account.refused_vehicles()
        if found.keys().isdisjoint(_ENTRY_BLOCKING) and refused:
            names = sorted(
                coordinator.vehicle.title
                for vin, coordinator in vehicles.items()
                if vin in refused
            )
            found[IssueType.CAR_REFUSED] = {"cars": ", ".join(names)}
        if users := self._find_owner_api_users():
            found[IssueType.OWNER_API_CLOSED] = {"integration": ", ".join(users)}
        domain = self.entry.data.get(CONF_DOMAIN, "")
        if links := sorted(
            f"- [{escape_markdown(coordinator.vehicle.title)}]"
            f"({pairing_url(domain, coordinator.vehicle.id)})"
            for coordinator in coordinators
            if coordinator.vehicle.unpaired
        ):
            found[IssueType.KEY_NOT_PAIRED] = {"links": "\n".join(links)}
        client = data.provider.client
        fleet = self.entry.data[CONF_PROVIDER] == PROVIDER_FLEET
        signs_itself = fleet and CONF_SERVER not in self.entry.data
        if signs_itself and not (client and client.can_sign):
            found[IssueType.KEY_FILE] = {}
        found |= self._bluetooth_issues()
        if data.vehicle_manager.key_lost:
            if missing_members():
                found[IssueType.BLUETOOTH_LIBRARY] = {"version": LIBRARY_VERSION}
            else:
                found[IssueType.BLUETOOTH_KEY_FILE] = {}
        if (certificate_issue := self._certificate_issue()) is not None:
            found[certificate_issue] = {}
        if (count := data.vehicle_manager.too_many) is not None:
            most = str(MAX_VEHICLES)
            found[IssueType.TOO_MANY_VEHICLES] = {"count": str(count), "most": most}
        monotonic = time.monotonic()
        if silent := sorted(
            coordinator.vehicle.title
            for coordinator in coordinators
            if coordinator.bluetooth is not None
            and coordinator.unreachable_timer.expired(monotonic)
        ):
            found[IssueType.NO_POWER] = {"cars": ", ".join(silent)}
        return {
            issue: names
            for issue, names in found.items()
            if issue in self._shown or self._may_create(issue)
        }

    def _certificate_issue(self) -> IssueType | None:
        """Return the issue of the certificate of the user's own server."""
        data = self.entry.runtime_data
        certificate = data.provider.certificate
        if certificate is None or not certificate.rejected:
            return None
        if certificate.pin is not None:
            return IssueType.CERTIFICATE_CHANGED
        of_region = [
            answer.classification.reason
            for endpoint, answer in data.host_poller.answers.items()
            if endpoint.region == data.region
        ]
        # Without an answer it is not yet known whether other certificates are valid.
        if not of_region or not _INTERCEPTED.isdisjoint(of_region):
            return None
        return IssueType.CERTIFICATE_UNTRUSTED

    def _bluetooth_issues(self) -> FoundIssues:
        """Return the issues of the vehicles with a Bluetooth key."""
        trust_by_name = {
            coordinator.vehicle.title: coordinator.vehicle.trust
            for coordinator in self.entry.runtime_data.vehicles.values()
            if coordinator.bluetooth is not None
        }
        names = {
            IssueType.BLUETOOTH_KEY_NOT_PAIRED: [
                name
                for name, trust in trust_by_name.items()
                if trust.history.is_key_removed
            ],
            IssueType.BLUETOOTH_STRANGER: [
                name
                for name, trust in trust_by_name.items()
                if trust.history.has_impostor
            ],
            IssueType.BLUETOOTH_UNSEALED: [
                name
                for name, trust in trust_by_name.items()
                if trust.history.has_unsealed_answer
            ],
            IssueType.BLUETOOTH_PROVISIONAL: [
                name
                for name, trust in trust_by_name.items()
                if trust.keys.is_provisional
            ],
        }
        return {
            issue: {"cars": ", ".join(sorted(found))}
            for issue, found in names.items()
            if found
        }

    def _find_owner_api_users(self) -> list[str]:
        """Return the integrations that use the closed Owner API, for one entry only."""
        detector = self.entry.runtime_data.detector
        loaded = self.hass.config_entries.async_loaded_entries(DOMAIN)
        first = min((entry.entry_id for entry in loaded), default=self.entry.entry_id)
        healthy = detector.assessment.status in _RESPONDING
        users = (
            async_find_affected_integrations(self.hass)
            if first >= self.entry.entry_id
            else []
        )
        if not users:
            self._owner_api_since = None
        elif self._owner_api_since is None and healthy:
            self._owner_api_since = time.monotonic()
        since = self._owner_api_since
        if IssueType.OWNER_API_CLOSED in self._shown:
            return users
        if since is None or not healthy:
            # In an outage, their requests fail for another reason.
            self._owner_api_since = None
            return []
        return users if time.monotonic() - since >= _OWNER_API_DELAY else []

    def _account_issue(self) -> IssueType | None:
        """Return the issue of the account, if Tesla reported it repeatedly."""
        account = self.entry.runtime_data.detector.account
        issue = None if account.reason is None else _ACCOUNT_ISSUES.get(account.reason)
        if issue in self._shown or account.persistent:
            return issue
        return None

    def _may_create(self, issue: IssueType) -> bool:
        data = self.entry.runtime_data
        status = data.detector.assessment.status
        if issue in _LOCAL:
            return True
        if issue is IssueType.NO_POWER:
            return status is Status.OPERATIONAL
        if issue not in _ENTRY_BLOCKING:
            return status not in OUTAGES
        # A host that fails may reject valid requests.
        health = data.host_poller.health(data.region)
        return status is Status.ACCOUNT_PROBLEM and health is Health.UP


def _with_escaped(names: Mapping[str, str]) -> dict[str, str]:
    """Add escaped placeholders: titles are plain text, descriptions are Markdown."""
    escaped = {f"{key}_escaped": escape_markdown(name) for key, name in names.items()}
    return {**names, **escaped}


@callback
def async_track_issues(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Keep the repair issues of an entry up to date while it is loaded."""
    data = entry.runtime_data
    client = data.provider.client
    issues = Issues(hass=hass, entry=entry)
    entry.async_on_unload(issues.async_stop)
    entry.async_on_unload(data.host_poller.async_add_listener(issues.async_update))
    if (certificate := data.provider.certificate) is not None:
        entry.async_on_unload(certificate.add_listener(issues.async_update))
        if client is not None and client.only_commands_through_server:
            certificate_check = CertificateCheck(
                hass=hass, entry=entry, client=client, certificate=certificate
            )
            entry.async_on_unload(certificate_check.async_start())
    if client is not None and client.can_sign:
        check = SigningKeyCheck(
            hass=hass, entry=entry, client=client, on_update=issues.async_update
        )
        entry.async_on_unload(check.async_start())
    issues.async_update()
