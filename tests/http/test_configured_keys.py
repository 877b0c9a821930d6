"""Tokens verified by a public key of the configuration, and by whom and for whom they were issued."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx2
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.errors import ConfigurationError
from tests.http.conftest import ServiceBuilder
from tests.support.key_server import PrivateKey, write_pem
from tests.support.service import READ_SCOPE, make_token

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, PrivateKey] = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHERS: dict[str, PrivateKey] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def claim(site: UUID, **more: Any) -> dict[str, Any]:
    return {"site_id": str(site), "scope": READ_SCOPE, "exp": 4_000_000_000, **more}


async def ask(client: httpx2.AsyncClient, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    answer = await client.post("/graphql", json={"query": "{ attendances { totalCount } }"}, headers=headers)
    assert answer.status_code in (200, 401)
    assert ("data" in answer.json()) is (answer.status_code == 200)
    return answer.status_code


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_public_key_verifies_what_its_private_half_signed_and_nothing_else(
    service: ServiceBuilder, site_id: UUID, algorithm: str
) -> None:
    async with service(jwt_public_key=write_pem(KEYS[algorithm])) as client:
        for name, key in KEYS.items():
            token = jwt.encode(claim(site_id), key, name, headers={"kid": "whatever"})
            assert await ask(client, token) == (200 if name == algorithm else 401)
        assert await ask(client, jwt.encode(claim(site_id), OTHERS[algorithm], algorithm)) == 401
        assert await ask(client, make_token(site_id, READ_SCOPE)) == 401
        assert await ask(client, jwt.encode(claim(site_id), "", "none")) == 401


@pytest.mark.parametrize("algorithm", ["PS256", "RS384", "RS512"])
async def test_the_configuration_and_not_the_token_chooses_the_algorithm(
    service: ServiceBuilder, site_id: UUID, algorithm: str
) -> None:
    async with service(jwt_public_key=write_pem(RSA)) as client:
        assert await ask(client, jwt.encode(claim(site_id), RSA, algorithm)) == 401


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("ending", ["", "\n", None])
async def test_a_public_key_is_no_secret_that_signs(
    service: ServiceBuilder, site_id: UUID, algorithm: str, ending: str | None
) -> None:
    pem = write_pem(KEYS[algorithm])
    secret = pem.replace("\n", "\\n") if ending is None else pem.strip() + ending
    async with service(jwt_public_key=pem) as client:
        assert await ask(client, sign_by_hand(claim(site_id), secret.encode())) == 401


def sign_by_hand(payload: object, secret: bytes) -> str:
    """An HS256 token with a secret that libraries refuse to sign with."""

    def encode(raw: bytes) -> str:
        return urlsafe_b64encode(raw).decode().rstrip("=")

    text = f"{encode(orjson.dumps({'typ': 'JWT', 'alg': 'HS256'}))}.{encode(orjson.dumps(payload))}"
    return f"{text}.{encode(hmac.digest(secret, text.encode(), sha256))}"


async def test_a_token_signed_by_hand_is_as_good_as_any(service: ServiceBuilder, site_id: UUID) -> None:
    secret = "a secret of forty characters or thereabouts"
    async with service(jwt_secret=secret) as client:
        assert await ask(client, sign_by_hand(claim(site_id), secret.encode())) == 200


async def test_the_line_breaks_of_a_key_may_be_written_out(service: ServiceBuilder, site_id: UUID) -> None:
    async with service(jwt_public_key=write_pem(RSA).replace("\n", "\\n")) as client:
        assert await ask(client, jwt.encode(claim(site_id), RSA, "RS256")) == 200


@pytest.mark.parametrize(
    "text",
    [
        "a text",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        write_pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
async def test_a_key_that_cannot_be_used_keeps_the_service_from_starting(service: ServiceBuilder, text: str) -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_JWT_PUBLIC_KEY"):
        async with service(jwt_public_key=text):
            pass


ISSUED: dict[str, tuple[dict[str, Any], int]] = {
    "rightly": ({"iss": "https://issuer", "aud": "attendance"}, 200),
    "for several": ({"iss": "https://issuer", "aud": ["other", "attendance"]}, 200),
    "by another": ({"iss": "https://other", "aud": "attendance"}, 401),
    "by almost the same": ({"iss": "https://issuer/", "aud": "attendance"}, 401),
    "by nobody": ({"aud": "attendance"}, 401),
    "by a number": ({"iss": 7, "aud": "attendance"}, 401),
    "for another": ({"iss": "https://issuer", "aud": "other"}, 401),
    "for nobody": ({"iss": "https://issuer"}, 401),
    "for an empty list": ({"iss": "https://issuer", "aud": []}, 401),
    "for a part of the name": ({"iss": "https://issuer", "aud": "attend"}, 401),
    "for a number": ({"iss": "https://issuer", "aud": 7}, 401),
}


@pytest.mark.parametrize("case", ISSUED)
async def test_a_token_must_be_issued(service: ServiceBuilder, site_id: UUID, case: str) -> None:
    claims, status = ISSUED[case]
    pem = write_pem(KEYS["EdDSA"])
    async with service(jwt_public_key=pem, jwt_issuer="https://issuer", jwt_audience="attendance") as client:
        payload = orjson.dumps(claim(site_id, **claims))
        assert await ask(client, jwt.PyJWS().encode(payload, KEYS["EdDSA"], "EdDSA")) == status


async def test_issuer_and_audience_are_looked_at_only_where_they_are_configured(
    service: ServiceBuilder, site_id: UUID
) -> None:
    pem = write_pem(KEYS["EdDSA"])
    by_issuer, for_audience = {"iss": "https://issuer"}, {"aud": "attendance"}
    async with service(jwt_public_key=pem, jwt_issuer="https://issuer") as client:
        for more in ({}, {"aud": "anybody"}):
            assert await ask(client, jwt.encode(claim(site_id, **by_issuer, **more), KEYS["EdDSA"], "EdDSA")) == 200
    async with service(jwt_public_key=pem, jwt_audience="attendance") as client:
        for more in ({}, {"iss": "anybody"}):
            assert await ask(client, jwt.encode(claim(site_id, **for_audience, **more), KEYS["EdDSA"], "EdDSA")) == 200
