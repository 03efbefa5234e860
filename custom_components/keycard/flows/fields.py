"""Fields, schemas and validation of the flows."""

from collections.abc import Container, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import chain, count
from typing import Any

import voluptuous as vol
from yarl import URL

from homeassistant.const import CONF_MODEL, CONF_NAME, CONF_REGION, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util import slugify

from ..const import CONF_BASE_URL, CONF_CARS, CONF_KEY, CONF_YEAR, DOMAIN, MODEL_NAMES
from ..outage.endpoints import REGIONS
from ..registry import vehicle_options
from ..transport.bluetooth_pairing import supports_phone_key
from ..transport.routing import Preference
from ..vehicle.keys import KeyPlace, PhysicalKey, is_vin
from ..vehicle.poll_schedule import Pace

CONF_ANOTHER = "another"
CONF_ANYWAY = "anyway"
CONF_REMOVE = "remove"
CONF_VIN = "vin"

_LOCAL_NAMES = (".home", ".home.arpa", ".internal", ".lan", ".local", ".localhost")
# `is_private` also includes reserved and documentation ranges.
_LOCAL_V4 = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)
_LOCAL_V6 = (
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
    IPv6Network("fe80::/10"),
)

URL_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
URLS_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL, multiple=True))
_TOKEN_FIELD = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
)
REGION_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=list(REGIONS), mode=SelectSelectorMode.LIST, translation_key="region"
    )
)
KEY_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=[PhysicalKey.KEYCARD.value, PhysicalKey.FOB.value],
        mode=SelectSelectorMode.LIST,
        translation_key="key",
    )
)
KEY_PLACE_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=[place.value for place in KeyPlace],
        mode=SelectSelectorMode.DROPDOWN,
        translation_key="key_place",
    )
)
LINK_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=[preference.value for preference in Preference],
        mode=SelectSelectorMode.LIST,
        translation_key="link",
    )
)
PACE_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=[pace.value for pace in Pace],
        mode=SelectSelectorMode.LIST,
        translation_key="pace",
    )
)
_MODEL_FIELD = SelectSelector(
    SelectSelectorConfig(
        options=[
            SelectOptionDict(value=model, label=label)
            for model, label in MODEL_NAMES.items()
        ],
        mode=SelectSelectorMode.DROPDOWN,
    )
)
_YEAR_FIELD = NumberSelector(
    NumberSelectorConfig(min=2008, max=2050, mode=NumberSelectorMode.BOX)
)

REGION_SCHEMA = vol.Schema({vol.Required(CONF_REGION): REGION_FIELD})
TOKEN_SCHEMA = vol.Schema({vol.Required(CONF_TOKEN): _TOKEN_FIELD})
SERVER_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_BASE_URL): URL_FIELD,
        vol.Required(CONF_TOKEN): _TOKEN_FIELD,
        vol.Required(CONF_REGION): REGION_FIELD,
    }
)
ANYWAY_FIELD = {vol.Required(CONF_ANYWAY, default=False): BooleanSelector()}
ANYWAY_SCHEMA = SERVER_SCHEMA.extend(ANYWAY_FIELD)
CAR_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_MODEL): _MODEL_FIELD,
        vol.Optional(CONF_YEAR): _YEAR_FIELD,
        vol.Optional(CONF_KEY): KEY_FIELD,
    }
)
NEW_CAR_SCHEMA = CAR_SCHEMA.extend(
    {vol.Required(CONF_ANOTHER, default=False): BooleanSelector()}
)
EDIT_CAR_SCHEMA = CAR_SCHEMA.extend(
    {vol.Required(CONF_REMOVE, default=False): BooleanSelector()}
)
VIN_SCHEMA = vol.Schema({vol.Required(CONF_VIN): TextSelector()})
NAMED_VIN_SCHEMA = VIN_SCHEMA.extend({vol.Required(CONF_NAME): TextSelector()})


def parse_vin(user_input: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the normalized VIN, and the errors by field."""
    vin = "".join(user_input[CONF_VIN].split()).upper()
    errors: dict[str, str] = {}
    if not is_vin(vin):
        errors[CONF_VIN] = "invalid_vin"
    elif not supports_phone_key(vin):
        errors[CONF_VIN] = "too_old"
    if not user_input.get(CONF_NAME, vin).strip():
        errors[CONF_NAME] = "no_name"
    return vin, errors


def vehicle_options_from_input(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a vehicle that the user described."""
    year = user_input.get(CONF_YEAR)
    return vehicle_options(
        name=user_input[CONF_NAME].strip(),
        model=user_input[CONF_MODEL],
        year=int(year) if year else None,
        key=user_input.get(CONF_KEY),
    )


def normalize_url(url: str) -> str | None:
    """Return the normalized base URL, None if it is invalid."""
    try:
        parsed = URL(url.strip())
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            return None
        if parsed.user or parsed.password or parsed.query_string:
            return None
        return str(parsed.with_fragment(None)).rstrip("/")
    except ValueError:
        return None


def is_https_or_local(url: str) -> bool:
    """Return whether a normalized URL is encrypted or local."""
    parsed = URL(url)
    host = parsed.host or ""
    if parsed.scheme == "https":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_NAMES)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return any(address in network for network in _LOCAL_V6)
        address = address.ipv4_mapped
    return any(address in network for network in _LOCAL_V4)


def clean_token(text: str) -> str | None:
    """Return a token without surrounding whitespace, None if it is invalid."""
    token = text.strip()
    valid = token.isascii() and token.isprintable() and " " not in token
    return token if valid else None


def new_vehicle_id(hass: HomeAssistant, name: str, taken: Container[str]) -> str:
    """Return an ID for a vehicle that no entry uses yet."""
    used = {
        vehicle_id
        for entry in hass.config_entries.async_entries(DOMAIN)
        for vehicle_id in entry.options.get(CONF_CARS, {})
    }
    slug = slugify(name)
    numbered = (f"{slug}_{number}" for number in count(2))
    return next(
        vehicle_id
        for vehicle_id in chain([slug], numbered)
        if vehicle_id not in used and vehicle_id not in taken
    )
