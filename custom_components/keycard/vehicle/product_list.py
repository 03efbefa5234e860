"""Product lists of an account, and the vehicles that they add or remove."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count

from .parsing import section
from .state import JsonObject, unwrap_response

# Seconds for which a vehicle is missing before it is removed.
REMOVE_AFTER = 24 * 3600.0
MIN_ANSWERS_TO_REMOVE = 3
# A longer list cannot be a user's and is rejected.
MAX_VEHICLES = 200
_MAX_VIN_LENGTH = 17


@dataclass(frozen=True, kw_only=True)
class ProductChange:
    """VINs that a product list added or removed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(kw_only=True)
class AccountVehicles:
    """Vehicles of an account.

    A single empty or short list proves nothing: a vehicle is removed once it was
    missing from all lists of a day, at least three. Times are monotonic seconds: the
    system clock may be set forward by a day.
    """

    known: set[str] = field(default_factory=set)
    _missing: dict[str, tuple[float, int]] = field(default_factory=dict)

    def update(self, listed: set[str], monotonic: float) -> ProductChange:
        """Update from the VINs of a list and return the change."""
        added = listed - self.known
        self.known |= added
        for vin in listed:
            self._missing.pop(vin, None)
        removed = {
            vin for vin in self.known - listed if self._is_removed(vin, monotonic)
        }
        self.known -= removed
        return ProductChange(added=tuple(sorted(added)), removed=tuple(sorted(removed)))

    def _is_removed(self, vin: str, monotonic: float) -> bool:
        since, answers = self._missing.get(vin, (monotonic, 0))
        self._missing[vin] = since, answers + 1
        if monotonic - since < REMOVE_AFTER or answers + 1 < MIN_ANSWERS_TO_REMOVE:
            return False
        del self._missing[vin]
        return True


def parse_products(body: JsonObject | None) -> dict[str, JsonObject] | None:
    """Return the vehicles of a `products` response by VIN, None without a list."""
    products = None if body is None else body.get("response")
    if not isinstance(products, list):
        return None
    return {
        vin: product
        for product in products
        if isinstance(product, dict)
        and isinstance(vin := product.get("vin"), str)
        and len(vin) <= _MAX_VIN_LENGTH
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
    """Return the VINs that require signed commands and lack the user's key.

    None if `body` is not a `fleet_status` response.
    """
    response = {} if body is None else unwrap_response(body)
    unpaired, info = response.get("unpaired_vins"), section(response, "vehicle_info")
    if not isinstance(unpaired, list):
        return None
    return [
        vin
        for vin in sorted(vins)
        if vin in unpaired
        and section(info, vin).get("vehicle_command_protocol_required") is True
    ]
