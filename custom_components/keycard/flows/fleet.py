"""Config flow steps for the Tesla Fleet API."""

from dataclasses import dataclass
import time
from typing import Any

import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER, ConfigFlowResult
from homeassistant.const import CONF_DOMAIN, CONF_REGION, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.config_entry_oauth2_flow import async_get_implementations
from homeassistant.helpers.selector import (
    BooleanSelector,
    QrCodeSelector,
    QrCodeSelectorConfig,
    QrErrorCorrectionLevel,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
)
from homeassistant.util.hass_dict import HassKey

from ..auth.keys import async_get_signing_key, async_publish_public_key, pairing_url
from ..auth.oauth import TeslaOAuthImplementation
from ..const import (
    CONF_ALL_CALLS,
    CONF_BASE_URL,
    CONF_FINGERPRINT,
    CONF_IMPLEMENTATION,
    CONF_PROVIDER,
    CONF_SERVER,
    DASHBOARD,
    DOMAIN,
    PROVIDER_FLEET,
)
from ..notifications.markdown import escape_markdown
from ..notifications.text import async_load_translations
from ..outage.endpoints import default_hosts, region_of_country, region_of_host
from ..providers.scopes import REQUIRED_SCOPES, TokenClaims, parse_claims
from ..transport.key_pair import UnusableKeyError, public_pem
from .base import async_cloud_title, is_accepted
from .certificate import CERTIFICATE, CertificateSteps
from .fields import (
    ANYWAY_FIELD,
    CONF_ANYWAY,
    REGION_FIELD,
    URL_FIELD,
    is_https_or_local,
    normalize_url,
)
from .server_check import (
    ConnectionCheck,
    check_key,
    check_proxy,
    check_registration,
    check_server,
    find_unpaired,
    parse_domain,
    public_key_url,
)

CONF_QR_CODE = "qr_code"
STEP_FLEET_SERVER = "fleet_server"

# Entering credentials takes no longer; a later flow begins with its menu.
MAX_CREDENTIALS_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class AbortedStep:
    """A step that lacked credentials, and when."""

    step_id: str
    at: float


DATA_ABORTED: HassKey[AbortedStep] = HassKey(f"{DOMAIN}_aborted_step")

_CHECK_SCHEMA = vol.Schema({})
_ANYWAY_SCHEMA = vol.Schema(ANYWAY_FIELD)
_APPLICATION_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_REGION): REGION_FIELD,
        vol.Required(CONF_DOMAIN): TextSelector(),
    }
)
_SERVER_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_SERVER): URL_FIELD,
        vol.Required(CONF_REGION): REGION_FIELD,
        vol.Required(CONF_ALL_CALLS, default=False): BooleanSelector(),
    }
)


class FleetSteps(CertificateSteps):
    """Steps for the user's own application at Tesla and the sign-in with it."""

    _application: TeslaOAuthImplementation

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._fleet_region = ""
        self._fleet_domain = ""
        self._server: dict[str, Any] = {}
        self._signed_in: dict[str, Any] = {}
        self._claims = TokenClaims()
        self._check = ConnectionCheck()

    def _abort_without_credentials(self, step_id: str) -> ConfigFlowResult:
        """Abort, so that Home Assistant asks for credentials and starts a new flow."""
        if self.source == SOURCE_USER:
            self.hass.data[DATA_ABORTED] = AbortedStep(
                step_id=step_id, at=time.monotonic()
            )
        return self.async_abort(reason="missing_credentials")

    async def async_take_aborted_step(self) -> str | None:
        """Return the step that lacked credentials a moment ago, if they are there."""
        aborted = self.hass.data.pop(DATA_ABORTED, None)
        if aborted is None or time.monotonic() - aborted.at > MAX_CREDENTIALS_SECONDS:
            return None
        return aborted.step_id if await _async_applications(self.hass) else None

    async def async_step_fleet(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the region and the domain of the application."""
        applications = await _async_applications(self.hass)
        if not applications:
            return self._abort_without_credentials(PROVIDER_FLEET)
        errors: dict[str, str] = {}
        if user_input is not None:
            domain = parse_domain(user_input[CONF_DOMAIN])
            if domain is not None:
                chosen = user_input.get(CONF_IMPLEMENTATION, next(iter(applications)))
                self._fleet_region = user_input[CONF_REGION]
                self._fleet_domain = domain
                self._use_application(applications[chosen], self._fleet_region)
                return await self.async_step_fleet_key()
            errors[CONF_DOMAIN] = "invalid_domain"
        entry = self.changed_entry
        suggested = {
            CONF_REGION: region_of_country(self.hass.config.country),
            CONF_DOMAIN: _external_domain(self.hass),
            **(entry.data if entry else {}),
            **(user_input or {}),
        }
        return self.async_show_form(
            step_id="fleet",
            data_schema=self.add_suggested_values_to_schema(
                _with_application_choice(_APPLICATION_SCHEMA, applications), suggested
            ),
            errors=errors,
            description_placeholders={"dashboard": DASHBOARD},
        )

    # With the user's own proxy, which signs the commands

    async def async_step_fleet_server(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the proxy that signs the commands, and check it."""
        applications = await _async_applications(self.hass)
        if not applications:
            return self._abort_without_credentials(STEP_FLEET_SERVER)
        check = ConnectionCheck()
        if user_input is not None:
            self._server, check = await self._async_check_proxy(user_input)
            if check.error == CERTIFICATE:
                result = await self.async_confirm_certificate(
                    self._server[CONF_SERVER],
                    user_input,
                    self.async_step_fleet_server,
                )
                if result is not None:
                    return result
            if is_accepted(check, user_input):
                chosen = user_input.get(CONF_IMPLEMENTATION, next(iter(applications)))
                return await self._async_use_proxy(
                    user_input[CONF_REGION], applications[chosen]
                )
        entry = self.changed_entry
        suggested = {
            CONF_REGION: region_of_country(self.hass.config.country),
            **(entry.data if entry else {}),
            **(user_input or {}),
        }
        suggested.pop(CONF_ANYWAY, None)
        schema = _SERVER_SCHEMA.extend(ANYWAY_FIELD if check.can_override else {})
        return self.async_show_form(
            step_id=STEP_FLEET_SERVER,
            data_schema=self.add_suggested_values_to_schema(
                _with_application_choice(schema, applications), suggested
            ),
            errors=check.form_errors(schema),
            description_placeholders={
                "dashboard": DASHBOARD,
                "example": "https://192.168.1.5:4443",
            },
        )

    async def _async_check_proxy(
        self, user_input: dict[str, Any]
    ) -> tuple[dict[str, Any], ConnectionCheck]:
        """Return the entry data for a proxy, and the result of the check."""
        url = normalize_url(user_input[CONF_SERVER])
        server = {
            CONF_SERVER: url,
            CONF_ALL_CALLS: bool(user_input.get(CONF_ALL_CALLS)),
        }
        if url is None or region_of_host(url) is not None:
            return server, ConnectionCheck(error="invalid_url", error_field=CONF_SERVER)
        if not is_https_or_local(url):
            return server, ConnectionCheck(
                error="not_encrypted", error_field=CONF_SERVER
            )
        entry, known_fingerprint = self.changed_entry, None
        if entry is not None and entry.data.get(CONF_SERVER) == url:
            known_fingerprint = entry.data.get(CONF_FINGERPRINT)
        check, fingerprint = await self.async_check_pinned(
            url, known_fingerprint, lambda pin: check_proxy(self.hass, url, pin)
        )
        if fingerprint is not None:
            server[CONF_FINGERPRINT] = fingerprint
        return server, check

    async def _async_use_proxy(
        self, region: str, application: TeslaOAuthImplementation
    ) -> ConfigFlowResult:
        """Update an entry of the same region, or go to the sign-in."""
        entry = self.changed_entry
        if entry is not None and entry.data[CONF_REGION] == region:
            data = {
                key: value
                for key, value in entry.data.items()
                if key not in (CONF_SERVER, CONF_ALL_CALLS, CONF_FINGERPRINT)
            }
            return self.async_update_reload_and_abort(
                entry, data={**data, **self._server}
            )
        self._fleet_region = region
        self._use_application(application, region)
        return await self.async_step_auth()

    async def async_step_fleet_key(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Check the public key at the domain, and show it if it is missing."""
        try:
            key = await async_get_signing_key(self.hass)
        except UnusableKeyError:
            return self.async_abort(reason="key_file")
        # No entry may have been set up before.
        async_publish_public_key(self.hass)
        check = await check_key(self.hass, self._fleet_domain, key)
        if is_accepted(check, user_input):
            return await self.async_step_fleet_register()
        return self._show_check(
            "fleet_key",
            check,
            url=public_key_url(self._fleet_domain),
            pem=f"\n{public_pem(key)}",
        )

    async def async_step_fleet_register(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Register the application in the region."""
        key = await async_get_signing_key(self.hass)
        check = await check_registration(
            self.hass,
            self._application,
            _base_url(self._fleet_region),
            self._fleet_domain,
            key,
        )
        if is_accepted(check, user_input):
            if self._signed_in:
                return await self.async_step_fleet_account()
            return await self.async_step_auth()
        return self._show_check(
            "fleet_register", check, domain=self._fleet_domain, dashboard=DASHBOARD
        )

    def _show_check(
        self, step_id: str, check: ConnectionCheck, **placeholders: str
    ) -> ConfigFlowResult:
        """Show the result of a check; submitting the form checks again."""
        schema = _ANYWAY_SCHEMA if check.can_override else _CHECK_SCHEMA
        return self.async_show_form(
            step_id=step_id,
            data_schema=schema,
            errors=check.form_errors(schema),
            # Only errors show the message, and these are plain text.
            description_placeholders={"said": check.message, **placeholders},
        )

    # After the sign-in

    async def async_fleet_signed_in(
        self, signed_in: dict[str, Any]
    ) -> ConfigFlowResult:
        """Check the claims of the token."""
        self._signed_in = signed_in
        self._claims = parse_claims(signed_in[CONF_TOKEN]["access_token"])
        if self._claims.account is None:
            return self.async_abort(reason="token_unreadable")
        entry = self.changed_entry
        if entry is not None and entry.unique_id != self._claims.account:
            return self.async_abort(reason="other_account")
        if self._claims.missing_scopes:
            return await self.async_step_fleet_scopes()
        return await self.async_step_fleet_region()

    async def async_step_fleet_scopes(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show the scopes that the user did not grant."""
        translations = await async_load_translations(self.hass)
        missing = [
            translations.format(f"scope_{scope}")
            for scope in self._claims.missing_scopes
        ]
        options = ["fleet_again"]
        if not set(REQUIRED_SCOPES) & set(self._claims.missing_scopes):
            options.append("fleet_region")
        return self.async_show_menu(
            step_id="fleet_scopes",
            menu_options=options,
            description_placeholders={
                "missing": "\n".join(f"- {name}" for name in missing)
            },
        )

    async def async_step_fleet_again(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask the user to sign in again."""
        return await self.async_step_auth()

    async def async_step_fleet_region(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Continue in the region of the account."""
        if self.source == SOURCE_REAUTH:
            return self.async_update_reload_and_abort(
                self._get_reauth_entry(), data_updates=self._signed_in
            )
        region = self._claims.region
        if region in (None, self._fleet_region):
            return await self.async_step_fleet_account()
        self._fleet_region = region
        if self._server:
            return await self.async_step_fleet_account()
        return await self.async_step_fleet_register()

    async def async_step_fleet_account(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Request the vehicles; an outage does not stop the flow."""
        token = self._signed_in[CONF_TOKEN]["access_token"]
        base_url = _base_url(self._fleet_region)
        self._check = await check_server(self.hass, base_url, token)
        region = region_of_host(normalize_url(self._check.right_url or "") or "")
        if region is not None and region != self._fleet_region:
            self._fleet_region = region
            if not self._server:
                return await self.async_step_fleet_register()
        if self.changed_entry is None and self.all_vehicles_configured(
            self._check.vins
        ):
            return self.async_abort(reason="already_configured")
        if self._server:
            # Pairing the proxy's key is described in the proxy's documentation.
            return await self.async_step_fleet_done()
        unpaired = await find_unpaired(self.hass, base_url, token, self._check.vins)
        if not unpaired:
            return await self.async_step_fleet_done()
        links = [
            (
                escape_markdown(self._check.names.get(vin) or vin[-6:]),
                pairing_url(self._fleet_domain, vin),
            )
            for vin in unpaired
        ]
        code = QrCodeSelectorConfig(
            data=links[0][1],
            scale=6,
            error_correction_level=QrErrorCorrectionLevel.QUARTILE,
        )
        return self.async_show_form(
            step_id="fleet_done",
            data_schema=vol.Schema({vol.Optional(CONF_QR_CODE): QrCodeSelector(code)}),
            description_placeholders={
                "links": "\n".join(f"- [{name}]({url})" for name, url in links)
            },
        )

    async def async_step_fleet_done(
        self, _user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Create or update the entry."""
        return await self.async_create_or_update(
            unique_id=self._claims.account or "",
            title=await async_cloud_title(self.hass, self._fleet_region),
            data={
                **self._signed_in,
                CONF_PROVIDER: PROVIDER_FLEET,
                CONF_REGION: self._fleet_region,
                CONF_BASE_URL: _base_url(self._fleet_region),
                **(self._server or {CONF_DOMAIN: self._fleet_domain}),
            },
        )

    async def async_fleet_reauth(self) -> ConfigFlowResult:
        """Ask the user of an entry to sign in again."""
        entry = self._get_reauth_entry()
        applications = await _async_applications(self.hass)
        if not applications:
            return self.async_abort(reason="missing_credentials")
        implementation = entry.data[CONF_IMPLEMENTATION]
        application = applications.get(implementation) or next(
            iter(applications.values())
        )
        self._use_application(application, entry.data[CONF_REGION])
        return await self.async_step_auth()

    def _use_application(
        self, application: TeslaOAuthImplementation, region: str
    ) -> None:
        """Use an application in a region."""
        self._application = application.in_region(region)
        self.flow_impl = self._application


async def _async_applications(
    hass: HomeAssistant,
) -> dict[str, TeslaOAuthImplementation]:
    """Return the application credentials of the user."""
    return {
        key: found
        for key, found in (await async_get_implementations(hass, DOMAIN)).items()
        if isinstance(found, TeslaOAuthImplementation)
    }


def _with_application_choice(
    schema: vol.Schema, applications: dict[str, TeslaOAuthImplementation]
) -> vol.Schema:
    """Return the schema, extended by a choice if there are several applications."""
    if len(applications) < 2:
        return schema
    choices = SelectSelectorConfig(
        options=[
            SelectOptionDict(value=key, label=found.name)
            for key, found in applications.items()
        ]
    )
    return schema.extend({vol.Required(CONF_IMPLEMENTATION): SelectSelector(choices)})


def _external_domain(hass: HomeAssistant) -> str:
    """Return the external domain of this Home Assistant, if it is valid."""
    host = URL(hass.config.external_url or "").host or ""
    return parse_domain(host) or ""


def _base_url(region: str) -> str:
    return default_hosts(region).regions[region]
