"""What speaks for an owner's cars, whoever provides it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from yarl import URL

from ..const import CONF_CARS, CONF_KEY, MANUFACTURER, MODEL_NAMES
from ..outage.hosts import Hosts
from ..pinning import Pin
from ..vehicle.keys import Key, describe_vin
from ..vehicle.links import CloudLink
from ..vehicle.reading import JsonObject, read_text
from ..vehicle.state import unwrapped
from ..vehicle.vehicle import Car


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Who answers the calls for an entry's cars, if anybody does.

    `keys` are what the owner said to have, by VIN; `watched` the cars that the owner
    named where no account tells of them.
    """

    region: str
    link: CloudLink | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)
    watched: tuple[Car, ...] = ()
    pin: Pin | None = None
    """What checks the certificate of a server of the user's own, if that is pinned."""

    @property
    def cars_from_account(self) -> bool:
        """Return whether an account tells which cars there are."""
        return self.link is not None

    def in_between(self, hosts: Hosts) -> bool:
        """Return whether calls go to somebody else than the maker's own hosts."""
        if self.link is None:
            return False
        return not is_teslas(self.link.base_url, hosts)

    def cars(self) -> list[Car]:
        """Return the cars that are known without asking anybody."""
        return list(self.watched)

    def restore(self, kept: JsonObject) -> Car:
        """Return a car as it was kept."""
        key = self.keys.get(read_text(kept.get("id")) or "")
        car = Car.from_json(kept, owners_key=key, link=self.link)
        for named in self.watched:
            if named.id == car.id:
                car.name = named.name
        return car

    def introduce(self, vin: str, name: str) -> Car:
        """Return a car of which the owner has told the VIN."""
        return Car.from_vin(
            vin, name=name, owners_key=self.keys.get(vin), link=self.link
        )

    def discover(self, summary: JsonObject, now: datetime) -> Car:
        """Return a car that an account tells of (UTC)."""
        vin = read_text(unwrapped(summary).get("vin")) or ""
        model, _ = describe_vin(vin)
        car = Car.from_vin(
            vin,
            # Without a name of its own: its VIN is nobody's business.
            name=MODEL_NAMES.get(model, MANUFACTURER),
            owners_key=self.keys.get(vin),
            link=self.link,
        )
        car.apply_product(summary, now)
        return car


def owners_keys(options: Mapping[str, Any]) -> dict[str, Key]:
    """Return the keys that an owner named in the options, by VIN."""
    return {
        vin: Key(car[CONF_KEY])
        for vin, car in options.get(CONF_CARS, {}).items()
        if CONF_KEY in car
    }


def is_teslas(base_url: str, hosts: Hosts) -> bool:
    """Return whether an address is that of one of Tesla's hosts."""
    return _origin(base_url) in map(_origin, hosts.regions.values())


def _origin(address: str) -> tuple[str, str | None, int | None]:
    url = URL(address)
    return url.scheme, url.host, url.port
