"""Reads a configured public key: PEM, a PEM certificate, or the base64 of either, with its lines around or without."""

from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from app.errors import ConfigurationError

NAME = "ATTENDANCE_JWT_PUBLIC_KEY"
CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
PRIVATE_KEY = b"PRIVATE KEY-----"
LOADERS: tuple[Callable[[bytes], Any], ...] = (
    load_pem_public_key,
    load_der_public_key,
    lambda content: load_pem_x509_certificate(content).public_key(),
    lambda content: load_der_x509_certificate(content).public_key(),
)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, the only algorithm that it may be used with, and its id in a key set."""

    key: Any
    algorithm: str
    key_id: str | None = None


def read_public_key(text: str) -> VerificationKey:
    """The key of a text, whose line breaks may be written as `\\n`. Its type determines the algorithm.

    Raises ConfigurationError.
    """
    key = load_public_key(text.replace("\\n", "\n").encode("utf-8", "surrogateescape").strip())
    if isinstance(key, RSAPublicKey):
        return VerificationKey(key, "RS256")
    if isinstance(key, Ed25519PublicKey):
        return VerificationKey(key, "EdDSA")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVE_ALGORITHMS:
        return VerificationKey(key, CURVE_ALGORITHMS[key.curve.name])
    raise ConfigurationError(f"{NAME} must be an RSA, an Ed25519 or a NIST curve's key")


def load_public_key(text: bytes) -> Any:
    """The key in a text, or in what the text is the base64 of, as in a Secret of Kubernetes."""
    contents = [text]
    with suppress(ValueError):
        contents.append(decode_base64(text))
    if any(PRIVATE_KEY in content for content in contents):
        raise ConfigurationError(f"{NAME} holds a private key: set the public one, and keep the private one elsewhere")
    for content in contents:
        for load in LOADERS:
            with suppress(ValueError, UnsupportedAlgorithm):
                return load(content)
    raise ConfigurationError(f"{NAME} is not a public key in PEM, nor a certificate, nor the base64 of either")


def decode_base64(text: bytes) -> bytes:
    """Base64 in either alphabet, with line breaks and with padding or without."""
    compact = b"".join(text.split()).rstrip(b"=")
    return b64decode(compact + b"=" * (-len(compact) % 4), b"-_" if set(compact) & set(b"-_") else None, validate=True)
