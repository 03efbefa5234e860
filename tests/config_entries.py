"""Config entries of each provider for the simulated cloud."""

import time
from typing import Any

from homeassistant.components.application_credentials import (
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

PROVIDERS = ("compatible", "fleet", "teslemetry", "tessie")
SERVICES = ("teslemetry", "tessie")
APPLICATION = "application"
LIFETIME = 8 * 3600.0


def hosts_options(simulator: Simulator) -> dict[str, Any]:
    """Return options that send all probes to the simulator."""
    urls = simulator.urls
    return {
        "hosts": {region: urls[region] for region in ("na", "eu", "cn")},
        "sign_in": [
            f"{urls['auth']}/oauth2/v3/token",
            f"{urls['auth']}/oauth2/v3/.well-known/openid-configuration",
        ],
        "unrelated": [
            f"{urls['controls1']}/generate_204",
            f"{urls['controls2']}/success.txt",
        ],
        # Nobody is notified: no receiver is added on set-up.
        "notifications": {},
    }


def oauth_token(simulator: Simulator, *, left: float = LIFETIME) -> dict[str, Any]:
    """Return the token of a sign-in that expires in `left` seconds."""
    return {
        "access_token": simulator.token,
        "refresh_token": simulator.refresh_token(),
        "token_type": "Bearer",
        "expires_in": int(LIFETIME),
        "expires_at": time.time() + left,
    }


async def add_application(hass: HomeAssistant) -> None:
    """Add application credentials to Home Assistant."""
    assert await async_setup_component(hass, "application_credentials", {})
    await async_import_client_credential(
        hass, DOMAIN, ClientCredential("client-id", "client-secret"), APPLICATION
    )


def server_entry(simulator: Simulator) -> MockConfigEntry:
    """Return an entry for a server with a fixed token."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (test)",
        unique_id=simulator.urls["eu"],
        data={
            "provider": "compatible",
            "region": "eu",
            "base_url": simulator.urls["eu"],
            "token": simulator.token,
        },
        options=hosts_options(simulator),
    )


def tesla_proxy_entry(simulator: Simulator) -> MockConfigEntry:
    """Return an entry for Tesla's own proxy, with its certificate and a fixed token."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (test)",
        unique_id=simulator.urls["tesla_proxy"],
        data={
            "provider": "compatible",
            "region": "eu",
            "base_url": simulator.urls["tesla_proxy"],
            "fingerprint": simulator.tesla_proxy_certificate.fingerprint,
            "token": simulator.token,
        },
        options=hosts_options(simulator),
    )


async def fleet_entry(
    hass: HomeAssistant, simulator: Simulator, *, left: float = LIFETIME
) -> MockConfigEntry:
    """Return an entry that is signed in with Tesla."""
    await add_application(hass)
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (test)",
        unique_id="owner",
        data={
            "provider": "fleet",
            "region": "eu",
            "base_url": simulator.urls["eu"],
            "domain": "home.example.org",
            "auth_implementation": APPLICATION,
            "token": oauth_token(simulator, left=left),
        },
        options=hosts_options(simulator),
    )


def service_entry(simulator: Simulator, provider: str) -> MockConfigEntry:
    """Return an entry with the fixed token of a third party."""
    tokens = {
        "teslemetry": simulator.teslemetry_token,
        "tessie": simulator.tessie_token,
    }
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (test)",
        unique_id=f"owner@{provider}",
        data={
            "provider": provider,
            "region": "eu",
            "base_url": simulator.urls[provider],
            "token": tokens[provider](),
        },
        options=hosts_options(simulator),
    )


def teslemetry_entry(
    simulator: Simulator, *, left: float = LIFETIME
) -> MockConfigEntry:
    """Return an entry that is signed in with a third party."""
    url = simulator.urls["teslemetry"]
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (test)",
        unique_id="owner@teslemetry",
        data={
            "provider": "teslemetry",
            "region": "eu",
            "base_url": url,
            "auth_implementation": "teslemetry",
            "client_id": "homeassistant",
            "token": {
                **oauth_token(simulator, left=left),
                "access_token": simulator.teslemetry_token(),
                "refresh_token": simulator.teslemetry_refresh_token(),
            },
        },
        options=hosts_options(simulator),
    )


async def provider_entry(
    hass: HomeAssistant, simulator: Simulator, provider: str
) -> MockConfigEntry:
    """Return an entry of a provider for the simulated vehicles."""
    if provider == "fleet":
        return await fleet_entry(hass, simulator)
    if provider in SERVICES:
        return service_entry(simulator, provider)
    return server_entry(simulator)
