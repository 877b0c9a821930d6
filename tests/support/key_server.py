"""An identity provider's key set, served on loopback, and keys to put into it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.serving import serve

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PATH = "/.well-known/jwks.json"
ALGORITHMS: dict[type, Any] = {
    rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
    ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
    ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
}


def write_pem(key: PrivateKey) -> str:
    """The public half of a key, as the configuration takes it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certify(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """A certificate of a key, signed by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def publish(key: PrivateKey, key_id: str | None, **more: Any) -> dict[str, Any]:
    """The public half of a key, as a member of a key set."""
    kind = next(algorithm for type_, algorithm in ALGORITHMS.items() if isinstance(key, type_))
    entry: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    entry.pop("key_ops", None)
    return {**entry, **({} if key_id is None else {"kid": key_id}), **more}


@dataclass
class KeyServer:
    """What is served at `url`: a content, a status, after a delay in seconds, and how often it was asked for.

    The next `redirects` requests are redirected to the same URL.
    """

    url: str = ""
    content: Any = field(default_factory=dict)
    status: int = 200
    delay: float = 0.0
    redirects: int = 0
    fetches: int = 0

    def holds(self, *entries: Any) -> None:
        self.content, self.status = {"keys": list(entries)}, 200

    async def answer(self, _request: Request) -> Response:
        self.fetches += 1
        if self.redirects:
            self.redirects -= 1
            return RedirectResponse(self.url)
        await asyncio.sleep(self.delay)
        if isinstance(self.content, bytes):
            return Response(self.content, self.status)
        return JSONResponse(self.content, self.status)


@asynccontextmanager
async def serve_keys() -> AsyncIterator[KeyServer]:
    server = KeyServer()
    async with serve(Starlette(routes=[Route(PATH, server.answer)])) as address:
        server.url = address + PATH
        yield server
