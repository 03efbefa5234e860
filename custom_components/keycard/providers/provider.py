"""Provider of vehicles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from yarl import URL

from homeassistant.const import CONF_MODEL, CONF_NAME, CONF_REGION, CONF_TOKEN

from ..const import (
    CONF_BASE_URL,
    CONF_CARS,
    CONF_KEY,
    CONF_YEAR,
    MANUFACTURER,
    MODEL_NAMES,
)
from ..outage.endpoints import Endpoints
from ..transport.cloud import FleetClient, TokenSource
from ..transport.pinning import CertificatePin, pin_from_data, pin_session
from ..vehicle.keys import PhysicalKey, decode_vin
from ..vehicle.parsing import JsonObject, parse_text
from ..vehicle.state import unwrap_response
from ..vehicle.vehicle import Vehicle


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Provider of a config entry's vehicles and API client.

    `keys` are the keys that the user configured, by VIN; `configured_vehicles` those
    that the user added without an account.
    """

    region: str
    link: FleetClient | None = None
    keys: Mapping[str, PhysicalKey] = field(default_factory=dict)
    configured_vehicles: tuple[Vehicle, ...] = ()
    pin: CertificatePin | None = None
    """What checks the certificate of a server of the user's own, if that is pinned."""

    @property
    def cars_from_account(self) -> bool:
        """Return whether an account tells which cars there are."""
        return self.link is not None

    def third_party(self, hosts: Endpoints) -> bool:
        """Return whether calls go to a third party."""
        if self.link is None:
            return False
        return not is_teslas(self.link.base_url, hosts)

    def vehicles(self) -> list[Vehicle]:
        """Return the cars that are known without asking anybody."""
        return list(self.configured_vehicles)

    def restore(self, kept: JsonObject) -> Vehicle:
        """Restore a stored vehicle."""
        key = self.keys.get(parse_text(kept.get("id")) or "")
        car = Vehicle.from_json(kept, configured_key=key)
        for named in self.configured_vehicles:
            if named.id == car.id:
                car.name = named.name
        return car

    def vehicle_from_vin(self, vin: str, name: str) -> Vehicle:
        """Return a car of which the user has told the VIN."""
        return Vehicle.from_vin(vin, name=name, configured_key=self.keys.get(vin))

    def vehicle_from_product(self, summary: JsonObject, now: datetime) -> Vehicle:
        """Return a car that an account tells of (UTC)."""
        vin = parse_text(unwrap_response(summary).get("vin")) or ""
        model, _ = decode_vin(vin)
        car = Vehicle.from_vin(
            vin,
            # Without a name of its own: its VIN is nobody's business.
            name=MODEL_NAMES.get(model, MANUFACTURER),
            configured_key=self.keys.get(vin),
        )
        car.apply_product(summary, now)
        return car


def configured_keys(options: Mapping[str, Any]) -> dict[str, PhysicalKey]:
    """Return the keys that a user named in the options, by VIN."""
    return {
        vin: PhysicalKey(car[CONF_KEY])
        for vin, car in options.get(CONF_CARS, {}).items()
        if CONF_KEY in car
    }


def is_teslas(base_url: str, hosts: Endpoints) -> bool:
    """Return whether an address is that of one of Tesla's hosts."""
    return _origin(base_url) in map(_origin, hosts.regions.values())


def _origin(address: str) -> tuple[str, str | None, int | None]:
    url = URL(address)
    return url.scheme, url.host, url.port


def compatible(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    hosts: Endpoints,
) -> Provider:
    """Return the provider of an entry with an address and a token."""
    base_url, pin = data[CONF_BASE_URL], pin_from_data(data)
    return Provider(
        region=data[CONF_REGION],
        link=FleetClient(
            pin_session(session, pin),
            base_url,
            static_token(data[CONF_TOKEN]),
            through_server=not is_teslas(base_url, hosts),
        ),
        keys=configured_keys(options),
        pin=pin,
    )


def token_link(
    session: aiohttp.ClientSession, base_url: str, token: str
) -> FleetClient:
    """Return a link that shows the same token to its server each time."""
    return FleetClient(session, base_url, static_token(token))


def static_token(token: str) -> TokenSource:
    """Return the source of a token that stays the same."""

    async def show() -> str:
        return token

    return show


def watch_only(data: Mapping[str, Any], options: Mapping[str, Any]) -> Provider:
    """Return the provider of an entry that only watches."""
    return Provider(
        region=data[CONF_REGION],
        keys=configured_keys(options),
        configured_vehicles=tuple(
            Vehicle(
                id=car_id,
                name=car[CONF_NAME],
                model=car[CONF_MODEL],
                year=car.get(CONF_YEAR),
                configured_key=PhysicalKey(car[CONF_KEY]) if CONF_KEY in car else None,
            )
            for car_id, car in options.get(CONF_CARS, {}).items()
        ),
    )
