"""Results of an integration in outages and in what looks like one."""

from dataclasses import asdict, dataclass
import json
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Load:
    """Load of an integration on Home Assistant.

    Seconds are processor time; `memory` is in MB.
    """

    set_up: float
    hour: float
    longest_block: float
    requests: int
    state_changes: int
    memory: float


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """Result of an integration in a case that is no outage of Tesla's cloud."""

    alarmed: bool
    known: str
    """Cause as it is shown, "" for none."""

    well: bool
    """All entities can be used again afterwards, without help of the user."""


@dataclass(frozen=True, kw_only=True)
class PeerResult:
    """Result of an integration with a number of vehicles.

    `known` and `well` are the seconds until an outage can be known, and after its end
    until everything is well again, None for never.
    """

    name: str
    vehicles: int
    entities: int
    known: tuple[float | None, ...]
    told: str
    in_outage: int
    """Number of entities that can be used in an outage."""

    after_restart: int
    well: tuple[float | None, ...]
    load: Load
    nuisances: dict[str, Nuisance]
    """By the case, of those that were played."""

    def to_json(self) -> str:
        """Return the result as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Return a result from a line of JSON."""
        data: dict[str, Any] = json.loads(line)
        return cls(
            **{
                **data,
                "known": tuple(data["known"]),
                "well": tuple(data["well"]),
                "load": Load(**data["load"]),
                "nuisances": {
                    case: Nuisance(**one) for case, one in data["nuisances"].items()
                },
            }
        )
