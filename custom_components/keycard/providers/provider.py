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
    CONF_PROVIDER,
    CONF_SERVER,
    CONF_YEAR,
    MANUFACTURER,
    MODEL_NAMES,
    PROVIDER_COMPATIBLE,
    PROVIDER_FLEET,
)
from ..outage.endpoints import Endpoints, region_of_host
from ..transport.cloud import FleetClient, TokenSource
from ..transport.pinning import ServerCertificate, pin_from_data, pin_session
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
    client: FleetClient | None = None
    keys: Mapping[str, PhysicalKey] = field(default_factory=dict)
    configured_vehicles: tuple[Vehicle, ...] = ()
    certificate: ServerCertificate | None = None
    """Certificate of the user's own server, None without one."""

    issues_tokens: bool = False
    """True if a third party issues its own tokens instead of Tesla's."""

    @property
    def has_account(self) -> bool:
        """Return whether the vehicles come from an account."""
        return self.client is not None

    def third_party(self, hosts: Endpoints) -> bool:
        """Return whether calls go to a third party."""
        if self.client is None:
            return False
        return not is_tesla_host(self.client.base_url, hosts)

    def vehicles(self) -> list[Vehicle]:
        """Return the vehicles that are known without a request."""
        return list(self.configured_vehicles)

    def restore_vehicle(self, stored: JsonObject) -> Vehicle:
        """Restore a stored vehicle."""
        key = self.keys.get(parse_text(stored.get("id")) or "")
        vehicle = Vehicle.from_json(stored, configured_key=key)
        for configured in self.configured_vehicles:
            if configured.id == vehicle.id:
                vehicle.name = configured.name
        return vehicle

    def vehicle_from_vin(self, vin: str, name: str) -> Vehicle:
        """Create a vehicle from a VIN that the user entered."""
        return Vehicle.from_vin(vin, name=name, configured_key=self.keys.get(vin))

    def vehicle_from_product(self, summary: JsonObject, utcnow: datetime) -> Vehicle:
        """Create a vehicle from its entry in a product list."""
        vin = parse_text(unwrap_response(summary).get("vin")) or ""
        model, _ = decode_vin(vin)
        vehicle = Vehicle.from_vin(
            vin,
            # Not the VIN, which is private.
            name=MODEL_NAMES.get(model, MANUFACTURER),
            configured_key=self.keys.get(vin),
        )
        vehicle.apply_product(summary, utcnow)
        return vehicle


def configured_keys(options: Mapping[str, Any]) -> dict[str, PhysicalKey]:
    """Return the keys configured in the options, by VIN."""
    return {
        vin: PhysicalKey(vehicle_options[CONF_KEY])
        for vin, vehicle_options in options.get(CONF_CARS, {}).items()
        if CONF_KEY in vehicle_options
    }


def is_tesla_host(base_url: str, hosts: Endpoints) -> bool:
    """Return whether a URL belongs to one of Tesla's hosts."""
    return _origin(base_url) in map(_origin, hosts.regions.values())


def _origin(address: str) -> tuple[str, str | None, int | None]:
    url = URL(address)
    return url.scheme, url.host, url.port


def server_certificate(
    data: Mapping[str, Any], hosts: Endpoints
) -> ServerCertificate | None:
    """Return the certificate of the user's own server, None for any other server."""
    server_keys = {PROVIDER_COMPATIBLE: CONF_BASE_URL, PROVIDER_FLEET: CONF_SERVER}
    url = data.get(server_keys.get(data[CONF_PROVIDER], ""))
    if url is None or URL(url).scheme != "https":
        return None
    if is_tesla_host(url, hosts) or region_of_host(url) is not None:
        return None
    return ServerCertificate(url, pin_from_data(data))


def create_compatible_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    hosts: Endpoints,
    certificate: ServerCertificate | None,
) -> Provider:
    """Create the provider of an entry with a URL and a token."""
    base_url = data[CONF_BASE_URL]
    return Provider(
        region=data[CONF_REGION],
        client=FleetClient(
            pin_session(session, certificate.pin if certificate else None),
            base_url,
            static_token(data[CONF_TOKEN]),
            through_server=not is_tesla_host(base_url, hosts),
        ),
        keys=configured_keys(options),
        certificate=certificate,
    )


def create_token_client(
    session: aiohttp.ClientSession, base_url: str, token: str
) -> FleetClient:
    """Create a client with a static token."""
    return FleetClient(session, base_url, static_token(token))


def static_token(token: str) -> TokenSource:
    """Return the token source of a static token."""

    async def get_token() -> str:
        return token

    return get_token


def create_watch_only_provider(
    data: Mapping[str, Any], options: Mapping[str, Any]
) -> Provider:
    """Create the provider of an entry without an account."""
    return Provider(
        region=data[CONF_REGION],
        keys=configured_keys(options),
        configured_vehicles=tuple(
            Vehicle(
                id=vehicle_id,
                name=vehicle_options[CONF_NAME],
                model=vehicle_options[CONF_MODEL],
                year=vehicle_options.get(CONF_YEAR),
                configured_key=PhysicalKey(vehicle_options[CONF_KEY])
                if CONF_KEY in vehicle_options
                else None,
            )
            for vehicle_id, vehicle_options in options.get(CONF_CARS, {}).items()
        ),
    )
