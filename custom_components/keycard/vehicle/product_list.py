"""Which cars an account holds: they come at once, and go only on lasting proof."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from .parsing import section
from .state import JsonObject, unwrapped

GONE_AFTER = timedelta(hours=24)
GONE_ANSWERS = 3
# A list of more vehicles than that is no owner's: it is refused as a whole.
MOST_VEHICLES = 200
_LONGEST_VIN = 17


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a list of products brought: cars that came, and cars that are gone."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(kw_only=True)
class AccountVehicles:
    """Follow the lists of products of an account.

    One empty or short list proves nothing: a car is gone when no list of a whole day,
    and no fewer than three, has held it.
    """

    known: set[str] = field(default_factory=set)
    _missing: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    def observe(self, listed: set[str], now: datetime) -> Change:
        """Take in the VINs of one list at a time (UTC) and say what changed."""
        came = listed - self.known
        self.known |= came
        for vin in listed:
            self._missing.pop(vin, None)
        gone = {vin for vin in self.known - listed if self._miss(vin, now)}
        self.known -= gone
        return Change(added=tuple(sorted(came)), removed=tuple(sorted(gone)))

    def _miss(self, vin: str, now: datetime) -> bool:
        since, answers = self._missing.get(vin, (now, 0))
        self._missing[vin] = min(since, now), answers + 1
        if now - since < GONE_AFTER or answers + 1 < GONE_ANSWERS:
            return False
        del self._missing[vin]
        return True


def parse_products(body: JsonObject | None) -> dict[str, JsonObject] | None:
    """Return the cars of a products answer by VIN, None if it holds no list."""
    products = None if body is None else body.get("response")
    if not isinstance(products, list):
        return None
    return {
        vin: product
        for product in products
        if isinstance(product, dict)
        and isinstance(vin := product.get("vin"), str)
        and len(vin) <= _LONGEST_VIN
        and vin.isascii()
        and vin.isalnum()
    }


def unique_labels(
    names: Mapping[str, str], *, numbered: bool = False
) -> dict[str, str]:
    """Return a distinct label per vehicle ID for these names.

    Equal names get the end of the ID, or a number where users do not know the IDs.
    """
    occurrences = Counter(names.values())
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for vehicle_id, name in names.items():
        label = name
        if occurrences[name] > 1 and not numbered:
            label = f"{name} ({vehicle_id[-6:]})"
        numbers = count(2)
        while label in taken:
            label = f"{name} ({next(numbers)})"
        taken.add(label)
        labels[vehicle_id] = label
    return labels


def parse_unpaired(body: JsonObject | None, vins: Collection[str]) -> list[str] | None:
    """Return which cars take only signed commands and do not know the owner's key.

    None where an answer to that question is none.
    """
    told = {} if body is None else unwrapped(body)
    unpaired, info = told.get("unpaired_vins"), section(told, "vehicle_info")
    if not isinstance(unpaired, list):
        return None
    return [
        vin
        for vin in sorted(vins)
        if vin in unpaired
        and section(info, vin).get("vehicle_command_protocol_required") is True
    ]
