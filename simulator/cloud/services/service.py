"""What services in between have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
import json
import secrets

from ...http.request import HostRequest
from ...http.server import Reply
from ...vehicle.car import Car
from ..accounts import CLIENT, LONG_LIFETIME, SCOPES, Account, Tokens


@dataclass(frozen=True, kw_only=True)
class ForwardedRequest:
    """What a service asks the maker, one after the other while it goes well.

    `woken` is a car that the service wakes first, and waits for; `shape` makes the
    service's answer of the maker's last one.
    """

    account: Account
    requests: tuple[HostRequest, ...]
    wakes: Car | None = None
    transform: Callable[[Reply], Reply] = lambda reply: reply


@dataclass(frozen=True, kw_only=True)
class CacheRefresh:
    """Cars whose data a service renews if it can, before it answers."""

    account: Account
    cars: tuple[Car, ...]
    answer: Callable[[], Reply]


@dataclass(kw_only=True)
class Cache:
    """The data of one car as a service keeps them; `at` is when it got them."""

    reply: Reply | None = None
    at: float = float("-inf")


@dataclass(frozen=True, kw_only=True)
class CachedRequest:
    """Data that a service keeps, and renews at times.

    It asks the maker if it has none, if it is `forced` to, or if what it has is `due`;
    then it serves what it had, unless it asks `first`. `renewed` is called if that went
    well.
    """

    account: Account
    car: Car
    request: HostRequest
    cache: Cache
    forced: bool = False
    due: bool = False
    refresh_first: bool = False
    on_refreshed: Callable[[], None] = lambda: None


type Answer = Reply | ForwardedRequest | CacheRefresh | CachedRequest


class ServiceTokens:
    """The tokens of one service: words that mean nothing to anybody else."""

    def __init__(self, prefix: str, now: Callable[[], float]) -> None:
        self._prefix = prefix
        self._now = now
        self._known: dict[str, tuple[Account, float]] = {}
        self._void: set[str] = set()

    def issue(
        self,
        account: Account,
        *,
        scopes: Collection[str] = SCOPES,
        lifetime: float = LONG_LIFETIME,
        client: str = CLIENT,
    ) -> str:
        """Return an access token."""
        del scopes, client  # these tokens reach all that the service may reach
        token = f"{self._prefix}{secrets.token_hex(16)}"
        self._known[token] = (account, self._now() + lifetime)
        return token

    def account(self, token: str) -> Account | None:
        """Return whose token it is, None if it is not good."""
        account, until = self._known.get(token, (None, 0.0))
        return account if until > self._now() and token not in self._void else None

    def expire(self, account: Account) -> None:
        """Let every token of an account end that was issued so far."""
        self._void |= {one for one, (it, _) in self._known.items() if it is account}

    def restore_tokens(self, account: Account) -> None:
        """Let the tokens of an account be good again."""
        self._void -= {one for one, (it, _) in self._known.items() if it is account}


class Service(ABC):
    """A service in between, when nothing is wrong with it."""

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: Tokens,
        now: Callable[[], float],
        own: ServiceTokens,
    ) -> None:
        self.tokens = own
        self._accounts = accounts
        self._maker = tokens
        self._now = now
        self._caches: dict[str, Cache] = {}  # by VIN

    @property
    def now(self) -> float:
        """Return the time of the wall clock, in seconds."""
        return self._now()

    def cache(self, car: Car) -> Cache:
        """Return what is kept of a car."""
        return self._caches.setdefault(car.vin, Cache())

    @abstractmethod
    def answer(self, asked: HostRequest) -> Answer:
        """Answer a request, or say what is to be asked for it."""

    @abstractmethod
    def endpoint(self, asked: HostRequest) -> str:
        """Return the name under which a request is counted."""

    def forward(self, account: Account, asked: HostRequest) -> HostRequest:
        """Return a request as the service makes it of the maker, with its own token."""
        return HostRequest(
            method=asked.method,
            path=asked.path,
            query={
                key: value
                for key, value in asked.query.items()
                if key != "access_token"
            },
            body=asked.body,
            token=self._maker.issue(account, lifetime=LONG_LIFETIME),
        )


def json_object(reply: Reply) -> dict[str, object]:
    """Return the JSON of an answer, an empty object if it has none."""
    try:
        data = json.loads(reply.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
