"""Assessment of Tesla's cloud."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Status of Tesla's cloud."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    OUTAGE = "outage"
    SIGN_IN_OUTAGE = "sign_in_outage"
    PROVIDER_DOWN = "provider_down"
    INTERNET_DOWN = "internet_down"
    ACCOUNT_PROBLEM = "account_problem"
    UNDETERMINED = "undetermined"


class Scope(StrEnum):
    """Extent of a failure."""

    NONE = "none"
    VEHICLE = "vehicle"
    MODEL = "model"
    ACCOUNT = "account"
    REGION = "region"
    REGIONS = "regions"
    WORLDWIDE = "worldwide"
    UNDETERMINED = "undetermined"


class Subsystem(StrEnum):
    """Part of the cloud that can fail on its own."""

    STATUS = "status"
    API = "api"
    DATA = "data"
    COMMANDS = "commands"
    AUTH = "auth"


class MissingEvidence(StrEnum):
    """Evidence that an undetermined assessment lacks."""

    FIRST_ANSWER = "first_answer"
    UNRELATED_ANSWER = "unrelated_answer"
    NAME = "name"
    ADDRESS = "address"
    CERTIFICATE = "certificate"
    PORTAL = "portal"
    BLOCKED = "blocked"
    RECENT_ANSWER = "recent_answer"


OUTAGES = frozenset({Status.OUTAGE, Status.DEGRADED, Status.SIGN_IN_OUTAGE})
INCONCLUSIVE = frozenset({Status.INTERNET_DOWN, Status.UNDETERMINED})


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Status of the cloud, with scope and start.

    `since` is the start (UTC) of the current outage, None without one. `affected` are
    the vehicles whose commands fail, None for all of them. `stale_vehicles` are those
    whose stale data only other integrations show.
    """

    status: Status = Status.UNDETERMINED
    scope: Scope = Scope.UNDETERMINED
    subsystems: tuple[Subsystem, ...] = ()
    other_regions: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    since: datetime | None = None
    missing_evidence: tuple[MissingEvidence, ...] = ()
    affected: frozenset[str] | None = frozenset()
    stale_vehicles: frozenset[str] = frozenset()

    @property
    def warning(self) -> bool:
        """Return whether another region fails while the user's is fine."""
        return self.status is Status.OPERATIONAL and bool(self.other_regions)

    def details(self) -> dict[str, list[str]]:
        """Return the details of the status under the names of their attributes."""
        return {
            "planes": [subsystem.value for subsystem in self.subsystems],
            "elsewhere": list(self.other_regions),
            "models": list(self.models),
            "missing": [missing.value for missing in self.missing_evidence],
        }
