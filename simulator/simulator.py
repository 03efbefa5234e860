"""The simulator: hosts, accounts, cars and the conditions set on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
import time
from types import TracebackType
from typing import Self

from .cloud.accounts import CLIENT, LONG_LIFETIME, Account, Tokens
from .cloud.fleet_api import FleetApi
from .cloud.oauth import TeslaSignIn
from .cloud.services import TeslaProxy, Teslemetry, Tessie
from .fleet import Fleet
from .http.certificates import CertificateAuthority, SelfSignedCertificate
from .http.fault_injection import FaultInjector
from .http.router import HostRouter
from .http.server import Listener, ReplyHandler, Traffic
from .http.usage import Usage
from .scenarios.conditions import (
    AUTH,
    CAR_CONDITIONS,
    CONTROLS,
    DNS,
    DOMAIN,
    PROXY,
    REGIONS,
    SERVICES,
    TESLA_PROXY,
    UNREACHABLE,
    Condition,
    ConditionError,
    ConditionKind,
    Conditions,
    expand_subject,
    validate_condition,
)
from .scenarios.scenario import CarSpec, Home
from .vehicle.car import Car

# Conditions that every car and subject starts with.
_INITIAL_CONDITIONS = ("ok", "online", "gone")
DEFAULT_HOME = Home(
    cars=(
        CarSpec(name="Ada", model="model3", year=2021),
        CarSpec(name="Bo", model="modely", year=2022),
        CarSpec(name="Cy", model="models", year=2018),
    ),
    lively=True,
)
# Subjects served by each port; the port closes when all of them are unreachable.
_PORT_SUBJECTS = {
    **{region: (f"{region}.status", f"{region}.api") for region in REGIONS},
    "auth": AUTH,
    **{name: (name,) for name in CONTROLS},
    "proxy": (PROXY,),
    "tesla_proxy": (TESLA_PROXY,),
    "domain": (DOMAIN,),
    **{name: (f"{name}.api",) for name in SERVICES},
}
_DNS_HOSTS = (*REGIONS, "auth")


class PortTakenError(OSError):
    """Error raised when a requested port is in use."""


class Simulator(Fleet):
    """Tesla's cloud and cars on 127.0.0.1.

    `home` is one home or several; `get_time` returns the Unix time of cars and tokens
    in seconds; `tls` serves https with certificates of a temporary authority, and plain
    http for the control hosts on separate ports (`controls1_http`, `controls2_http`).
    """

    def __init__(
        self,
        home: Home | Sequence[Home] = DEFAULT_HOME,
        *,
        get_time: Callable[[], float] = time.time,
        tls: bool | CertificateAuthority = False,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self.homes = (home,) if isinstance(home, Home) else tuple(home)
        super().__init__(get_time)
        self.usage = Usage()
        self._own_authority = tls is True
        self._authority = CertificateAuthority() if tls is True else tls or None
        self._traffic = Traffic()
        self._conditions = Conditions(get_time)
        self._tokens = Tokens(get_time)
        self._accounts = [self._create_account(one) for one in self.homes]
        self._api = FleetApi(
            self._accounts,
            self._tokens,
            lambda region: self.urls[region],
            get_time,
            apps=self.apps,
            computers=self.computers,
        )
        self._sign_in = TeslaSignIn(self._accounts, self._tokens, get_time, self.apps)
        self.teslemetry = Teslemetry(self._accounts, self._tokens, get_time)
        self.tesla_proxy = TeslaProxy()
        self.tesla_proxy_certificate = SelfSignedCertificate()
        self.tessie = Tessie(self._accounts, self._tokens, get_time)
        self._faults = FaultInjector(self._conditions, self._traffic, get_time)
        self._hosts = HostRouter(
            faults=self._faults,
            api=self._api,
            apps=self.apps,
            sign_in=self._sign_in,
            tesla_proxy=self.tesla_proxy,
            services={"teslemetry": self.teslemetry, "tessie": self.tessie},
            usage=self.usage,
            cars=self.cars,
            default_region=self.homes[0].region,
        )
        self.tokens = {
            one.home.name: self._tokens.issue(one, lifetime=LONG_LIFETIME)
            for one in self._accounts
        }
        self._listeners = self._build_listeners(ports or {})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the ports; raise PortTakenError if one is in use."""
        for listener in self._listeners.values():
            try:
                listener.reserve()
            except OSError as err:
                await self.stop()
                message = f"port {listener.port} for {listener.name} is taken"
                raise PortTakenError(message) from err
        for name, listener in self._listeners.items():
            await listener.start(closed=self._is_unreachable(name))
        self._update_ports()

    async def stop(self) -> None:
        """Close all connections and ports."""
        self.bluetooth.close()
        self._faults.close()
        for listener in self._listeners.values():
            await listener.stop()
        if self._own_authority and self._authority is not None:
            self._authority.close()

    @property
    def urls(self) -> dict[str, str]:
        """Return the base URL of each host.

        Keys: na, eu, cn, auth (for China too), controls1, controls2, proxy, tesla_proxy
        (https with a self-signed certificate), domain, teslemetry, tessie.
        """
        return {name: one.url for name, one in self._listeners.items()}

    @property
    def token(self) -> str:
        """Return an access token of the first home's account."""
        return self.tokens[self.homes[0].name]

    def renew_certificate(self) -> None:
        """Restart Tesla's proxy with a new certificate."""
        self.tesla_proxy_certificate.renew()
        self.tesla_proxy.restart()
        self._listeners["tesla_proxy"].drop_idle()

    def prepare_certificates(self, names: Iterable[str]) -> None:
        """Create the certificates of host names ahead of time, as signing is slow."""
        if self._authority is not None:
            self._authority.prepare(names)

    @property
    def ca_file(self) -> Path | None:
        """Return the certificate file of the authority, None without TLS."""
        return self._authority.ca_file if self._authority else None

    @property
    def busy(self) -> int:
        """Return the number of requests in progress that are not held.

        Messages over Bluetooth take the time of timers.
        """
        return self._traffic.busy

    @property
    def held(self) -> int:
        """Return the number of requests held by a condition."""
        return self._traffic.held

    @property
    def conditions(self) -> dict[str, str]:
        """Return all active conditions by subject."""
        return self._conditions.as_dict()

    def condition(self, subject: str) -> Condition:
        """Return the condition of a subject, or the first one of several subjects."""
        return self._conditions.first_of(expand_subject(subject, self.cars))

    def set(self, subject: str, condition: str) -> None:
        """Set a condition; raise ConditionError if subject or condition is invalid."""
        self.apply({subject: condition})

    def apply(self, conditions: Mapping[str, str]) -> None:
        """Set several conditions at once; raise ConditionError if one is invalid."""
        for subject, condition in conditions.items():
            validate_condition(subject, condition, self.cars)
            if condition.strip() == ConditionKind.TLS and self._authority is None:
                message = f"{subject}: tls needs a simulator that serves TLS"
                raise ConditionError(message)
        if any(
            condition.strip() not in _INITIAL_CONDITIONS
            for condition in conditions.values()
        ):
            self._api.freeze_data()
        for subject, condition in conditions.items():
            for single in expand_subject(subject, self.cars):
                self._set_condition(single, condition.strip())
        self._update_ports()

    def reset(self) -> None:
        """Reset conditions, cars and links to their initial state."""
        self.apply(dict.fromkeys(self.conditions, "ok"))
        for car in self.cars.values():
            car.in_range = False
            self.computers[car.name].faults.clear()
            if car.connectivity != "online":
                car.set_connectivity("online")
        self.bluetooth.reset()
        self._api.unfreeze_data()

    def set_token(self, state: str, home: str | None = None) -> None:
        """Set the state of the access tokens: "expired" or "ok"."""
        if state not in {"ok", "expired"}:
            message = f"unknown state of a token {state!r}; allowed: ok, expired"
            raise ConditionError(message)
        for account in self._accounts:
            if home in {None, account.home.name}:
                if state == "expired":
                    account.expire_tokens()
                    self.teslemetry.tokens.expire(account)
                    self.tessie.tokens.expire(account)
                else:
                    account.expired.clear()
                    self.teslemetry.tokens.restore_tokens(account)
                    self.tessie.tokens.restore_tokens(account)

    def refresh_token(self, home: str | None = None) -> str:
        """Return a refresh token, as issued by a sign-in."""
        return self._sign_in.refresh_token(self._find_account(home))

    def teslemetry_token(self, home: str | None = None) -> str:
        """Return an access token of Teslemetry."""
        return self.teslemetry.tokens.issue(self._find_account(home))

    def teslemetry_refresh_token(self, home: str | None = None) -> str:
        """Return a refresh token of Teslemetry, as issued by a sign-in."""
        return self.teslemetry.refresh_token(self._find_account(home))

    def tessie_token(self, home: str | None = None) -> str:
        """Return an access token of Tessie."""
        return self.tessie.tokens.issue(self._find_account(home))

    def access_token(
        self,
        *scopes: str,
        home: str | None = None,
        lifetime: float = LONG_LIFETIME,
        client: str = CLIENT,
    ) -> str:
        """Return an access token limited to the given scopes."""
        account = self._find_account(home)
        return self._tokens.issue(
            account, scopes=scopes, lifetime=lifetime, client=client
        )

    def set_mobile_access(self, allowed: bool, home: str | None = None) -> None:
        """Switch mobile access of an account's cars on or off."""
        self._find_account(home).mobile_access = allowed

    def add_car(self, spec: CarSpec, home: str | None = None) -> Car:
        """Add a car to an account."""
        if spec.name in self.cars:
            message = f"there is a car {spec.name!r} already"
            raise ConditionError(message)
        account = self._find_account(home)
        car = self._build_car(spec, account.home)
        account.cars.append(car)
        return car

    def add_product(self, product: dict[str, object], home: str | None = None) -> None:
        """Add another product, such as an energy site, to an account."""
        self._find_account(home).other_products.append(product)

    def remove_car(self, name: str) -> Car:
        """Remove a car from its account."""
        self.car(name).in_range = False
        car = self.cars.pop(name)
        del self.computers[name]
        self._conditions.set(f"car.{name}", "ok")
        for account in self._accounts:
            if car in account.cars:
                account.cars.remove(car)
        return car

    def _create_account(self, home: Home) -> Account:
        return Account(home, [self._build_car(spec, home) for spec in home.cars])

    def _find_account(self, home: str | None) -> Account:
        for account in self._accounts:
            if home in {None, account.home.name}:
                return account
        message = f"unknown home {home!r}"
        raise ConditionError(message)

    def _build_listeners(self, ports: Mapping[str, int]) -> dict[str, Listener]:
        listeners: dict[str, Listener] = {}
        names = list(_PORT_SUBJECTS)
        if self._authority is not None:
            names += [f"{name}_http" for name in CONTROLS]
        if unknown := set(ports) - set(names):
            message = f"unknown ports {sorted(unknown)}; allowed: {', '.join(names)}"
            raise ConditionError(message)
        for name in names:
            listeners[name] = Listener(
                name,
                self._reply_handler(name),
                self._traffic,
                port=ports.get(name, 0),
                tls=self._tls_for(name),
            )
        return listeners

    def _tls_for(
        self, name: str
    ) -> CertificateAuthority | SelfSignedCertificate | None:
        if name == "tesla_proxy":
            return self.tesla_proxy_certificate
        return None if name.endswith("_http") else self._authority

    def _reply_handler(self, name: str) -> ReplyHandler:
        if name in REGIONS:
            return lambda request: self._hosts.region(name, request)
        if name == "auth":
            return self._hosts.auth
        if name == "proxy":
            return self._hosts.proxy
        if name == "tesla_proxy":
            return self._hosts.tesla_proxy
        if name == "domain":
            return self._hosts.domain
        if name in SERVICES:
            return lambda request: self._hosts.service(name, request)
        subject = name.removesuffix("_http")
        return lambda request: self._hosts.unrelated(subject, request)

    def _set_condition(self, subject: str, condition: str) -> None:
        car = self.cars.get(subject.removeprefix("car."))
        if car is not None and subject.startswith("car."):
            if condition in {"near", "gone"}:
                car.in_range = condition == "near"
                return
            if condition in CAR_CONDITIONS:
                car.set_connectivity(condition)
                condition = "ok"
        self._conditions.set(subject, condition)

    def _is_unreachable(self, port: str) -> bool:
        subjects = _PORT_SUBJECTS[port.removesuffix("_http")]
        if port in _DNS_HOSTS and self._conditions.get(DNS).kind in UNREACHABLE:
            return True
        return all(self._conditions.get(one).kind in UNREACHABLE for one in subjects)

    def _update_ports(self) -> None:
        for name, listener in self._listeners.items():
            subjects = _PORT_SUBJECTS[name.removesuffix("_http")]
            is_foreign = ConditionKind.TLS in {
                self._conditions.get(subject).kind for subject in subjects
            }
            if is_foreign is not listener.foreign_certificate:
                listener.foreign_certificate = is_foreign
                listener.drop_idle()
            if self._is_unreachable(name):
                listener.close_port()
            else:
                listener.open_port()
