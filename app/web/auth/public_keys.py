"""Reads a configured public key: PEM, a PEM certificate, or the base64 of either, with its lines around or without."""

import binascii
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
PEM_LABEL, CERTIFICATE, PRIVATE_KEY = b"-----BEGIN ", b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


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


def load_public_key(content: bytes) -> Any:
    content = decode_pem(content)
    if PRIVATE_KEY in content:
        raise ConfigurationError(f"{NAME} holds a private key: set the public one, and keep the private one elsewhere")
    for load in list_loaders(content):
        try:
            return load(content)
        except (ValueError, UnsupportedAlgorithm, binascii.Error):
            continue
    raise ConfigurationError(f"{NAME} is not a public key in PEM, nor a certificate, nor the base64 of either")


def decode_pem(content: bytes) -> bytes:
    """The PEM of a text that is its base64, as in a Secret of Kubernetes; any other text as it is."""
    with suppress(ValueError):
        decoded = decode_base64(content)
        return decoded if PEM_LABEL in decoded else content
    return content


def list_loaders(content: bytes) -> tuple[Callable[[bytes], Any], ...]:
    if CERTIFICATE in content:
        return (lambda pem: load_pem_x509_certificate(pem).public_key(),)
    if PEM_LABEL in content:
        return (load_pem_public_key,)
    return (
        lambda text: load_der_public_key(decode_base64(text)),
        lambda text: load_der_x509_certificate(decode_base64(text)).public_key(),
    )


def decode_base64(text: bytes) -> bytes:
    """Base64 in either alphabet, with line breaks and with padding or without."""
    compact = b"".join(text.split()).rstrip(b"=")
    return b64decode(compact + b"=" * (-len(compact) % 4), b"-_" if set(compact) & set(b"-_") else None, validate=True)
