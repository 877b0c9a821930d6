"""What is remembered of a token: for whom it is, by which key, and until when, to the second."""

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID

import jwt
import pytest

from app.errors import Unauthenticated
from app.operations.permissions import Caller
from app.schema.permissions import Permission
from app.web import authentication
from app.web.authentication import Authenticator
from app.web.keys import VerificationKey
from tests.support.service import READ_SCOPE, WRITE_SCOPE, make_token

SITE = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SECRETS = {name: f"the secret of the tests that is called {name}" for name in ("a", "b")}
UNKNOWN = "The token is signed with a key that is not known here."
INVALID = "The token is not valid."


@dataclass
class KeyRing:
    """Keys by their ids, of which some may be replaced."""

    keys: dict[str | None, VerificationKey] = field(
        default_factory=lambda: {name: VerificationKey(secret, "HS256") for name, secret in SECRETS.items()}
    )

    async def find_key(self, key_id: str | None) -> VerificationKey | None:
        return self.keys.get(key_id)

    def trusts(self, key_id: str | None, key: VerificationKey) -> bool:
        return self.keys.get(key_id) is key


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing()


@pytest.fixture
def authenticator(ring: KeyRing) -> Authenticator:
    return Authenticator(ring)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which what is remembered ends; tokens are verified by the real one."""
    times = SimpleNamespace(now=time.time())
    times.time = lambda: times.now
    monkeypatch.setattr(authentication, "time", times)
    return times


def sign(key: str = "a", *, secret: str | None = None, named: str | None = "", **claims: object) -> bytes:
    """A header whose token names its key or `named`, and is signed with the key or with another secret."""
    content = {"site_id": str(SITE), "scope": READ_SCOPE, "exp": int(time.time()) + 600, **claims}
    headers = {} if named is None else {"kid": named or key}
    return b"Bearer " + jwt.encode(content, secret or SECRETS[key], "HS256", headers=headers).encode()


async def refuse(authenticator: Authenticator, header: bytes) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(header)
    return caught.value.message


@pytest.mark.parametrize("key", SECRETS)
async def test_a_token_is_verified_by_the_key_that_it_names(authenticator: Authenticator, key: str) -> None:
    header = sign(key)
    caller = await authenticator.authenticate(header)
    assert caller == Caller(SITE, frozenset({Permission.READ}))
    finding = authenticator.recall(header)
    assert finding is not None
    assert (finding.caller, finding.site, finding.key_id) == (caller, str(SITE), key)
    assert await finding.authenticate() is caller
    other = sign(key, secret=SECRETS["b" if key == "a" else "a"])
    assert await refuse(authenticator, other) == INVALID


async def test_where_neither_is_configured_any_issuer_and_audience_will_do(authenticator: Authenticator) -> None:
    assert (await authenticator.authenticate(sign(iss="anybody", aud="anybody"))).site_id == SITE


async def test_several_scopes_are_spread_by_spaces(authenticator: Authenticator) -> None:
    header = sign(scope=f" {READ_SCOPE}  unknown {WRITE_SCOPE}")
    assert await authenticator.authenticate(header) == Caller(SITE, frozenset(Permission))


async def test_a_site_is_one_however_it_is_written(authenticator: Authenticator) -> None:
    header = sign(site_id=str(SITE).upper())
    assert (await authenticator.authenticate(header)).site_id == SITE
    finding = authenticator.recall(header)
    assert finding is not None
    assert finding.site == str(SITE)


@pytest.mark.parametrize("named", ["c", None])
async def test_a_key_that_is_not_known_verifies_nothing(authenticator: Authenticator, named: str | None) -> None:
    header = sign(named=named)
    assert await refuse(authenticator, header) == UNKNOWN
    assert authenticator.recall(header) is None


async def test_a_token_that_names_no_key_has_the_one_for_such_tokens(ring: KeyRing) -> None:
    ring.keys[None] = ring.keys["a"]
    header = b"Bearer " + make_token(SITE, READ_SCOPE, secret=SECRETS["a"]).encode()
    assert (await Authenticator(ring).authenticate(header)).site_id == SITE


async def test_a_caller_is_remembered_until_his_token_ends(
    authenticator: Authenticator, clock: SimpleNamespace
) -> None:
    expiry = int(time.time()) + 600
    header = sign(exp=expiry)
    caller = await authenticator.authenticate(header)
    clock.now = expiry + 29.9
    assert authenticator.recall(header) is not None
    assert await authenticator.authenticate(header) is caller
    clock.now = expiry + 30
    assert authenticator.recall(header) is None
    assert await authenticator.authenticate(header) is not caller


async def test_a_refusal_is_remembered_for_ten_seconds(authenticator: Authenticator, clock: SimpleNamespace) -> None:
    header = sign(secret="x" * 32)
    began = clock.now
    assert await refuse(authenticator, header) == INVALID
    finding = authenticator.recall(header)
    assert finding is not None
    assert (finding.caller, finding.site, finding.refusal, finding.key_id) == (None, "", INVALID, "a")
    clock.now = began + 9.9
    assert authenticator.recall(header) is finding
    clock.now = began + 10
    assert authenticator.recall(header) is None


async def test_with_its_key_a_caller_is_forgotten_and_then_refused(authenticator: Authenticator, ring: KeyRing) -> None:
    header = sign()
    await authenticator.authenticate(header)
    ring.keys["a"] = VerificationKey("another secret, long enough for HS256", "HS256")
    assert authenticator.recall(header) is None
    assert await refuse(authenticator, header) == INVALID
    finding = authenticator.recall(header)
    assert finding is not None
    assert finding.refusal == INVALID


async def test_a_key_that_is_published_anew_verifies_its_callers_anew(
    authenticator: Authenticator, ring: KeyRing
) -> None:
    header = sign()
    caller = await authenticator.authenticate(header)
    ring.keys["a"] = VerificationKey(SECRETS["a"], "HS256")
    again = await authenticator.authenticate(header)
    assert again == caller
    assert again is not caller
    assert authenticator.recall(header) is not None


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "The token has expired."),
        ({"site_id": None}, "The token must name a site in `site_id` and its scopes in `scope`."),
        ({"site_id": "7"}, "The token's `site_id` is not a GUID."),
        ({"scope": 7}, "The token must name a site in `site_id` and its scopes in `scope`."),
    ],
)
async def test_a_refusal_is_remembered_in_its_words(
    authenticator: Authenticator, claims: dict[str, object], message: str
) -> None:
    header = sign(**claims)
    assert await refuse(authenticator, header) == message
    finding = authenticator.recall(header)
    assert finding is not None
    with pytest.raises(Unauthenticated, match=message):
        await finding.authenticate()


async def test_a_token_for_later_is_not_remembered(authenticator: Authenticator) -> None:
    header = sign(nbf=int(time.time()) + 60)
    assert await refuse(authenticator, header) == INVALID
    assert authenticator.recall(header) is None
