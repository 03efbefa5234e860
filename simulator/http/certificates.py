"""Temporary certificate authority and self-signed certificates."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
import ipaddress
from pathlib import Path
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Scenarios run at any date: the certificates are valid in all of them.
_VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_VALID_UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
# The default one, which resists quantum computers, takes much longer.
KEY_EXCHANGE = "X25519"
_LOCAL_NAMES = ("localhost", "127.0.0.1")


class CertificateAuthority:
    """Certificate authority that signs a certificate for any host name."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-ca-")
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _root_certificate("Simulated authority", self._key)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.ca_file = Path(self._folder.name, "ca.pem")
        self.ca_file.write_bytes(
            self._certificate.public_bytes(serialization.Encoding.PEM)
        )
        # A server may start while the disk is full.
        self._local_file = self._sign(_LOCAL_NAMES, self._key, self._certificate)
        self._unknown_authority_context = _server_context(
            self._sign(("gateway.invalid",), *_unknown_authority("Unknown authority"))
        )

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def prepare(self, names: Iterable[str]) -> None:
        """Sign certificates for host names ahead of the first connection."""
        for name in names:
            self._context_for(name)

    def context(self, impostor: Callable[[], bool]) -> ssl.SSLContext:
        """Return a server context.

        It presents a certificate of an unknown authority while `impostor` is True.
        """

        def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            tls.context = (
                self._unknown_authority_context
                if impostor()
                else self._context_for(name)
            )

        context = _server_context(self._local_file)
        context.sni_callback = choose
        return context

    def _context_for(self, name: str | None) -> ssl.SSLContext:
        names = _LOCAL_NAMES if name is None else (name,)
        if names[0] not in self._contexts:
            file = self._sign(names, self._key, self._certificate)
            self._contexts[names[0]] = _server_context(file)
        return self._contexts[names[0]]

    def _sign(
        self,
        names: tuple[str, ...],
        signer: ec.EllipticCurvePrivateKey,
        issuer: x509.Certificate,
    ) -> Path:
        """Return the file of a new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(names[0], key, issuer.subject)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
            )
            .add_extension(_authority_key_identifier(signer), critical=False)
            .sign(signer, hashes.SHA256())
        )
        file = Path(self._folder.name, f"{certificate.serial_number}.pem")
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file


def _server_context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ecdh_curve(KEY_EXCHANGE)
    # No client resumes a session.
    context.num_tickets = 0
    context.load_cert_chain(file)
    return context


class SelfSignedCertificate:
    """Self-signed certificate as described in the README of `tesla-http-proxy`.

    Its common name is localhost, without an alternative name.
    """

    def __init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.fingerprint = ""
        """SHA-256, in lower case."""

        self._use(*_first_self_signed())

    def context(self, _impostor: Callable[[], bool]) -> ssl.SSLContext:
        """Return the server context."""
        return self._context

    def renew(self) -> None:
        """Replace the certificate for new connections."""
        self._use(*_self_signed())

    def _use(self, pem: bytes, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        with tempfile.TemporaryDirectory(prefix="simulator-tls-") as folder:
            file = Path(folder, "tls.pem")
            file.touch(mode=0o600)
            file.write_bytes(pem)
            self._context.load_cert_chain(file)


def _self_signed() -> tuple[bytes, str]:
    """Return a new key with its certificate, and the fingerprint."""
    key = ec.generate_private_key(ec.SECP384R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder("localhost", key, _name("localhost"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (
        private + certificate.public_bytes(serialization.Encoding.PEM),
        certificate.fingerprint(hashes.SHA256()).hex(),
    )


# Simulators of one process begin with the same certificate.
_first_self_signed = cache(_self_signed)


def _unknown_authority(
    name: str,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _root_certificate(name, key)


def _root_certificate(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, key, _name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
        )
    )


def _authority_key_identifier(
    key: ec.EllipticCurvePrivateKey,
) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
