"""Which keys are used: members of a published set, a public key or a secret of the configuration, and which of them."""

from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.errors import ConfigurationError
from app.settings import load_settings
from app.web.auth.keys import ConfiguredKey, PublishedKeys, build_key_source, read_key_set
from app.web.auth.public_keys import VerificationKey, read_public_key
from tests.support.key_server import certify, publish, serve_keys, write_pem

OLD, NEW = (publish(ed25519.Ed25519PrivateKey.generate(), name) for name in ("old", "new"))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def read_names(*entries: object) -> set[str | None]:
    return {key.key_id for key in read_key_set({"keys": list(entries)})}


NO_SETS: list[Any] = [None, [], "keys", {}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"key": [OLD]}]


@pytest.mark.parametrize("document", NO_SETS)
def test_what_is_no_key_set_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"^not a key set$"):
        read_key_set(document)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "key",
        {},
        {**OLD, "kty": "oct", "k": "c2VjcmV0"},
        {**OLD, "kty": None},
        {**OLD, "kty": "okp"},
        {**OLD, "use": "enc"},
        {**OLD, "use": None},
        {**OLD, "kid": 7},
        {**OLD, "kid": ["x"]},
        {**OLD, "x": "!"},
        {**OLD, "crv": "X448"},
        {**publish(RSA, "rsa"), "alg": "HS256"},
    ],
)
def test_what_cannot_be_used_is_left_out_and_the_rest_stays(entry: object) -> None:
    assert read_names(entry, NEW, entry) == {"new"}


def test_signature_keys_are_kept_by_their_ids() -> None:
    no_id = {name: value for name, value in OLD.items() if name != "kid"}
    entries = [OLD, {**NEW, "use": "sig"}, no_id, publish(RSA, "rsa"), publish(RSA, "pss", alg="PS256")]
    entries += [publish(ec.generate_private_key(curve), name) for name, curve in CURVES.items()]
    found = read_key_set({"keys": entries})
    expected = {"old": "EdDSA", "new": "EdDSA", None: "EdDSA", "rsa": "RS256", "pss": "PS256"}
    assert {key.key_id: key.algorithm for key in found} == {**expected, **{name: name for name in CURVES}}
    assert [key.key for key in found if key.key_id == "rsa"] == [RSA.public_key()]


def test_a_broken_key_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    assert read_names({**OLD, "x": "!"}) == set()
    [said] = caplog.messages
    assert said.startswith("a published key cannot be used: ")
    assert len(said) > len("a published key cannot be used: None")


def test_of_a_set_a_hundred_members_are_looked_at() -> None:
    assert read_names(*[None] * 99, OLD, NEW) == {"old"}


@pytest.mark.parametrize(("algorithm", "curve"), CURVES.items())
def test_a_curve_fixes_its_algorithm(algorithm: str, curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)
    assert read_public_key(write_pem(private)) == VerificationKey(private.public_key(), algorithm)


CERTIFICATE = certify(RSA)
PEM_LINES = write_pem(RSA).splitlines()
FORMS: dict[str, str] = {
    "PEM": write_pem(RSA),
    "PEM with written line breaks": write_pem(RSA).replace("\n", "\\n"),
    "PEM with white space around": f"\n  {write_pem(RSA)}\n ",
    "PEM of PKCS #1": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode(),
    "a certificate": CERTIFICATE.public_bytes(Encoding.PEM).decode(),
    "two certificates": CERTIFICATE.public_bytes(Encoding.PEM).decode() * 2,
    "base64": "".join(PEM_LINES[1:-1]),
    "base64 in lines": "\n".join(PEM_LINES[1:-1]) + "\n",
    "base64 without padding": "".join(PEM_LINES[1:-1]).rstrip("="),
    "base64 for URLs": "".join(PEM_LINES[1:-1]).replace("+", "-").replace("/", "_"),
    "base64 of a certificate": b64encode(CERTIFICATE.public_bytes(Encoding.DER)).decode(),
    "base64 of PEM": b64encode(write_pem(RSA).encode()).decode(),
    "base64 of a certificate in PEM": b64encode(CERTIFICATE.public_bytes(Encoding.PEM)).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_public_key_may_be_given_as(form: str) -> None:
    key = read_public_key(FORMS[form])
    assert (key.algorithm, key.key.public_numbers()) == ("RS256", RSA.public_key().public_numbers())


def test_a_public_key_is_the_one_that_the_text_holds() -> None:
    for text in (write_pem(RSA), write_pem(RSA).replace("\n", "\\n")):
        key = read_public_key(text)
        assert (key.algorithm, key.key.public_numbers()) == ("RS256", RSA.public_key().public_numbers())
    edwards = ed25519.Ed25519PrivateKey.generate()
    assert read_public_key(write_pem(edwards)) == VerificationKey(edwards.public_key(), "EdDSA")


NO_KEY = "ATTENDANCE_JWT_PUBLIC_KEY is not a public key in PEM, nor a certificate, nor the base64 of either"
NO_KEYS = (
    "x",
    "!",
    "/etc/keys/public.pem",
    "ssh-rsa AAAAB3NzaC1yc2E=",
    "\udcff",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
)
PRIVATE_KEY = "ATTENDANCE_JWT_PUBLIC_KEY holds a private key: set the public one, and keep the private one elsewhere"
PRIVATE = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((text, NO_KEY) for text in NO_KEYS),
        *((text, PRIVATE_KEY) for text in (PRIVATE, b64encode(PRIVATE.encode()).decode())),
        (
            write_pem(ec.generate_private_key(ec.SECP256K1())),
            "ATTENDANCE_JWT_PUBLIC_KEY must be an RSA, an Ed25519 or a NIST curve's key",
        ),
    ],
)
def test_a_text_that_is_no_such_key_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_public_key(text)
    assert str(caught.value) == message


async def test_a_configured_key_is_trusted_whatever_a_token_names() -> None:
    source = build_key_source(load_settings({"ATTENDANCE_JWT_SECRET": "x" * 32}))
    assert isinstance(source, ConfiguredKey)
    [key] = await source.find_keys("whatever", "RS256")
    assert [key] == list(await source.find_keys(None, None))
    assert key == VerificationKey("x" * 32, "HS256")
    assert source.is_current(key)
    assert not source.is_current(VerificationKey("y" * 32, "HS256"))
    assert not await source.fetch_again()


async def test_the_settings_name_where_keys_come_from() -> None:
    public = build_key_source(load_settings({"ATTENDANCE_JWT_PUBLIC_KEY": write_pem(RSA)}))
    assert isinstance(public, ConfiguredKey)
    assert public.key.algorithm == "RS256"
    async with serve_keys() as provider:
        provider.holds(OLD)
        published = build_key_source(load_settings({"ATTENDANCE_JWKS_URL": provider.url}))
        assert isinstance(published, PublishedKeys)
        assert await published.find_keys("old", "EdDSA")


@pytest.mark.parametrize(
    "url", ["x", "ftp://host/keys", "https://", "https:///keys", "http:// x", " https://host/", "https://host/\n"]
)
def test_keys_are_published_on_the_web(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_key_source(load_settings({"ATTENDANCE_JWKS_URL": url}))
    assert str(caught.value) == "ATTENDANCE_JWKS_URL must be an http(s) URL"


def test_without_any_key_the_service_does_not_start() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_key_source(load_settings({}))
    assert str(caught.value) == (
        "set ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY or ATTENDANCE_JWKS_URL: tokens cannot be verified without"
    )
