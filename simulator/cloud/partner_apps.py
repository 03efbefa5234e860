"""Partner apps: credentials, hosted public keys and registrations."""

from dataclasses import dataclass, field
import re
import secrets

from ..http.server import Reply, failure, json_reply
from ..protocol import Whitelist, WhitelistError, public_point
from .accounts import CLIENT

KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"
_MAX_KEY_BYTES = 4096
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Registration of an app in one region, with its public key."""

    domain: str
    point: bytes


@dataclass(kw_only=True)
class PartnerApps:
    """Partner apps known to Tesla.

    Without `credentials` any client id and secret are accepted. With `must_register`
    calls of apps that are not registered in the region fail. `hosted` maps domains to
    the PEM that they serve as public key; an empty name stands for any domain.
    """

    credentials: dict[str, str] = field(default_factory=dict)
    must_register: bool = False
    hosted: dict[str, str] = field(default_factory=dict)
    registered: dict[tuple[str, str], Registration] = field(default_factory=dict)

    def host(self, pem: str, domain: str = "") -> None:
        """Host a public key at a domain."""
        self.hosted[domain] = pem

    def hosted_at(self, domain: str) -> str | None:
        """Return the PEM hosted at a domain, None if there is none."""
        return self.hosted.get(domain.partition(":")[0], self.hosted.get(""))

    def is_known(self, client: str, secret: str | None) -> bool:
        """Return whether credentials are valid; with no secret, check the id only."""
        if not self.credentials:
            return bool(client)
        known = self.credentials.get(client)
        return known is not None and secret in {None, known}

    def registration(self, client: str, region: str) -> Registration | None:
        """Return the registration of an app in a region."""
        return self.registered.get((client, region))

    def register(
        self, domain: str, region: str, *, client: str = CLIENT
    ) -> Registration:
        """Register an app; raise WhitelistError unless its domain hosts a valid key."""
        point = public_point(self.hosted_at(domain) or "")
        registration = Registration(domain=domain, point=point)
        self.registered[client, region] = registration
        return registration

    def answer_domain(self, path: str, domain: str) -> Reply:
        """Answer as the host of an app's domain."""
        pem = self.hosted_at(domain) if path == KEY_PATH else None
        if pem is None:
            return Reply(status=404, body="not found")
        return Reply(body=pem, content_type="application/x-pem-file")

    def is_paired(self, whitelist: Whitelist, client: str, region: str) -> bool:
        """Return whether the key of an app is paired with a car."""
        registration = self.registration(client, region)
        return (
            registration is not None
            and whitelist.role_of(registration.point) is not None
        )

    def answer_register(
        self, client: str, region: str, domain: object, domain_reply: Reply | None
    ) -> Reply:
        """Answer a registration request.

        `domain_reply` is the faulty reply of the app's domain, None if it works.
        """
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain):
            return failure(
                400,
                f"Invalid domain: {domain}. Ensure that domain is lowercase and starts"
                " without https://",
            )
        domain_reply = domain_reply or self.answer_domain(KEY_PATH, domain)
        if error := _download_error(domain_reply):
            url = f"https://{domain}{KEY_PATH}"
            message = f"Public key download failed for {url}, error: {error}"
            return failure(424, message)
        try:
            point = public_point(domain_reply.body)
        except WhitelistError as err:
            return failure(422, f"Validation failed: Public key is invalid: {err}")
        other_points = {
            one.point
            for (other_client, registered_region), one in self.registered.items()
            if registered_region == region and other_client != client
        }
        if point in other_points:
            message = "Validation failed: Public key hash has already been taken"
            return failure(422, message)
        registration = Registration(domain=domain, point=point)
        self.registered[client, region] = registration
        return json_reply({"response": _partner_account(client, registration)})

    def answer_public_key(self, region: str, domain: str) -> Reply:
        """Answer a request for the public key of a domain."""
        for (_, registered_region), registration in self.registered.items():
            if registered_region == region and registration.domain == domain:
                body = {"public_key": registration.point.hex()}
                return json_reply({"response": body})
        return failure(404, "not_found")


def _download_error(read: Reply) -> str:
    if read.cut:
        return "connection reset" if read.cut == "middle" else "connection refused"
    if read.status != 200:
        return str(read.status)
    return "too large" if len(read.body) > _MAX_KEY_BYTES else ""


def not_registered(client: str, url: str) -> Reply:
    """Return the error for an app that is not registered in a region."""
    docs = "https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints"
    message = (
        f"Account {client} must be registered in the current region {url},"
        f" please see {docs}#register"
    )
    return json_reply({"error": message}, 412)


def _partner_account(client: str, registration: Registration) -> dict[str, object]:
    return {
        "account_id": secrets.token_hex(16),
        "domain": registration.domain,
        "name": "Simulated app",
        "description": "An app of the simulator",
        "client_id": client,
        "ca": None,
        "enterprise_tier": "pay_as_you_go",
        "issuer": None,
        "csr": None,
        "public_key": registration.point.hex(),
    }
