"""Endpoints that are probed: Tesla's hosts and unrelated ones."""

from collections.abc import Mapping
from dataclasses import dataclass

from .evidence import RequestType

REGIONS = ("na", "eu", "cn")

_REGION_HOSTS = {
    "na": "https://fleet-api.prd.na.vn.cloud.tesla.com",
    "eu": "https://fleet-api.prd.eu.vn.cloud.tesla.com",
    "cn": "https://fleet-api.prd.cn.vn.cloud.tesla.cn",
}
_SIGN_IN = (
    "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token",
    "https://auth.tesla.com/oauth2/v3/.well-known/openid-configuration",
)
_SIGN_IN_CN = (
    "https://auth.tesla.cn/oauth2/v3/token",
    "https://auth.tesla.cn/oauth2/v3/.well-known/openid-configuration",
)
_AUTHORIZE = {
    "na": "https://auth.tesla.com/oauth2/v3/authorize",
    "eu": "https://auth.tesla.com/oauth2/v3/authorize",
    "cn": "https://auth.tesla.cn/oauth2/v3/authorize",
}
_UNRELATED = (
    "https://connectivitycheck.gstatic.com/generate_204",
    "http://detectportal.firefox.com/success.txt",
)
_UNRELATED_CN = (
    "https://connect.rom.miui.com/generate_204",
    "http://captive.apple.com/hotspot-detect.html",
)

_CHINA = "CN"
# Tesla serves Europe, the Middle East and Africa from one region, China from another
# and all other countries from North America.
_EMEA = frozenset(
    """
    AD AE AL AM AO AT AX AZ BA BE BF BG BH BI BJ BW BY CD CF CG CH CI CM CV CY CZ DE
    DJ DK DZ EE EG EH ER ES ET FI FO FR GA GB GE GG GH GI GM GN GQ GR GW HR HU IE IL
    IM IQ IR IS IT JE JO KE KM KW LB LI LR LS LT LU LV LY MA MC MD ME MG MK ML MR MT
    MU MW MZ NA NE NG NL NO OM PL PS PT QA RE RO RS RU RW SA SC SD SE SH SI SJ SK SL
    SM SN SO SS ST SY SZ TD TG TN TR TZ UA UG VA XK YE YT ZA ZM ZW
    """.split()
)


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Hosts of a home: base URLs by region, and full URLs."""

    regions: Mapping[str, str]
    sign_in: tuple[str, ...]
    unrelated: tuple[str, ...]

    @property
    def token_url(self) -> str | None:
        """Return where tokens are renewed, None if that was switched off."""
        return next((url for url in self.sign_in if _is_token_url(url)), None)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Endpoint to probe, with the region of a regional host."""

    kind: RequestType
    url: str
    region: str | None = None


def default_hosts(region: str) -> Endpoints:
    """Return the default hosts for a region."""
    return Endpoints(
        regions=_REGION_HOSTS,
        sign_in=_SIGN_IN_CN if region == "cn" else _SIGN_IN,
        unrelated=_UNRELATED_CN if region == "cn" else _UNRELATED,
    )


def region_of_host(base_url: str) -> str | None:
    """Return the region of one of Tesla's own hosts, None for any other host."""
    for region, host in _REGION_HOSTS.items():
        if host == base_url:
            return region
    return None


def region_of_country(country: str | None) -> str:
    """Return the region that serves a country (ISO 3166-1 alpha-2)."""
    if country == _CHINA:
        return "cn"
    return "eu" if country in _EMEA else "na"


def list_endpoints(hosts: Endpoints) -> tuple[Endpoint, ...]:
    """Return the endpoints to probe."""
    return (
        *(
            Endpoint(kind=RequestType.STATUS, url=f"{base}/status", region=region)
            for region, base in hosts.regions.items()
        ),
        *(
            Endpoint(
                kind=RequestType.TOKEN if _is_token_url(url) else RequestType.AUTHORIZE,
                url=url,
            )
            for url in hosts.sign_in
        ),
        *(Endpoint(kind=RequestType.UNRELATED, url=url) for url in hosts.unrelated),
    )


def authorize_url(region: str) -> str:
    """Return the authorize URL of a region."""
    return _AUTHORIZE[region]


def token_url(region: str) -> str:
    """Return the token URL of a region."""
    url = default_hosts(region).token_url
    if url is None:
        raise ValueError(f"No token URL for region {region!r}")
    return url


def _is_token_url(url: str) -> bool:
    return url.endswith("/token")
