"""Base classes for third parties."""

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
    """Requests to the Fleet API, sent in order until one fails.

    `wakes` is a car that is awake after each successful request; `transform` turns the
    last reply into that of the third party.
    """

    account: Account
    requests: tuple[HostRequest, ...]
    wakes: Car | None = None
    transform: Callable[[Reply], Reply] = lambda reply: reply


@dataclass(frozen=True, kw_only=True)
class CacheRefresh:
    """Refresh the cache of cars, if possible, before answering."""

    account: Account
    cars: tuple[Car, ...]
    answer: Callable[[], Reply]


@dataclass(kw_only=True)
class Cache:
    """Cached data of one car; `at` is the Unix time of the last refresh."""

    reply: Reply | None = None
    at: float = float("-inf")


@dataclass(frozen=True, kw_only=True)
class CachedRequest:
    """Request for vehicle data that is answered from a cache.

    The Fleet API is called if the cache is empty, the refresh is `forced` or the data
    are `due`. The cached data are returned, unless `refresh_first` is set.
    `on_refreshed` is called after a successful forced refresh.
    """

    account: Account
    car: Car
    request: HostRequest
    cache: Cache
    forced: bool = False
    due: bool = False
    refresh_first: bool = False
    on_refreshed: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class EventStream:
    """Server-sent events without an end, about cars of an account.

    `update` is called with a car, and whether Tesla's API can be read for it; then
    `read` returns the events since its last call. `polled` is the request that
    refreshes the cache of a car, None for one that is not polled.
    """

    account: Account
    cars: tuple[Car, ...]
    update: Callable[[Car, bool], None]
    read: Callable[[], str]
    polled: Callable[[Car], CachedRequest | None]


type Answer = Reply | ForwardedRequest | CacheRefresh | CachedRequest | EventStream


class ServiceTokens:
    """Opaque access tokens of one third party."""

    def __init__(self, prefix: str, get_time: Callable[[], float]) -> None:
        self._prefix = prefix
        self._get_time = get_time
        self._issued: dict[str, tuple[Account, float]] = {}
        self._expired: set[str] = set()

    def issue(
        self,
        account: Account,
        *,
        scopes: Collection[str] = SCOPES,
        lifetime: float = LONG_LIFETIME,
        client: str = CLIENT,
    ) -> str:
        """Return an access token."""
        del scopes, client  # tokens of a third party are not limited
        token = f"{self._prefix}{secrets.token_hex(16)}"
        self._issued[token] = (account, self._get_time() + lifetime)
        return token

    def account(self, token: str) -> Account | None:
        """Return the account of a token, None if the token is invalid."""
        account, until = self._issued.get(token, (None, 0.0))
        return (
            account if until > self._get_time() and token not in self._expired else None
        )

    def expire(self, account: Account) -> None:
        """Expire all tokens of an account issued so far."""
        self._expired |= {one for one, (it, _) in self._issued.items() if it is account}

    def restore_tokens(self, account: Account) -> None:
        """Make the expired tokens of an account valid again."""
        self._expired -= {one for one, (it, _) in self._issued.items() if it is account}


class Service(ABC):
    """A third party without faults."""

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: Tokens,
        get_time: Callable[[], float],
        service_tokens: ServiceTokens,
    ) -> None:
        self.tokens = service_tokens
        self._accounts = accounts
        self._tesla_tokens = tokens
        self._get_time = get_time
        self._caches: dict[str, Cache] = {}  # by VIN

    @property
    def timestamp(self) -> float:
        """Return the Unix time in seconds."""
        return self._get_time()

    def cache(self, car: Car) -> Cache:
        """Return the cache of a car."""
        return self._caches.setdefault(car.vin, Cache())

    @abstractmethod
    def answer(self, request: HostRequest) -> Answer:
        """Return a reply, or the requests needed for it."""

    @abstractmethod
    def endpoint(self, request: HostRequest) -> str:
        """Return the name under which a request is counted."""

    def forward(self, account: Account, request: HostRequest) -> HostRequest:
        """Return a request as forwarded to Tesla, with the third party's token."""
        return HostRequest(
            method=request.method,
            path=request.path,
            query={
                key: value
                for key, value in request.query.items()
                if key != "access_token"
            },
            body=request.body,
            token=self._tesla_tokens.issue(account, lifetime=LONG_LIFETIME),
        )


def json_object(reply: Reply) -> dict[str, object]:
    """Return the JSON object of a reply, an empty one if it has none."""
    try:
        data = json.loads(reply.body)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
