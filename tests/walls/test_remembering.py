"""What is remembered of a token: for whom it is, by which key, and until when, to the second."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID

import jwt
import pytest

from app.documents.permissions import Caller
from app.schema.permissions import Permission
from app.web.auth import authentication
from app.web.auth.authentication import LEEWAY_SECONDS, UNVERIFIED, Authenticator, TokenRejected
from app.web.auth.keys import Wait, wait_for_fetch
from app.web.auth.public_keys import VerificationKey
from tests.support.service import READ_SCOPE, WRITE_SCOPE, make_token

SITE = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SECRETS = {name: f"the secret of the tests that is called {name}" for name in ("a", "b")}
SIGNATURE = "signature"


@dataclass
class KeyRing:
    """Keys by their ids, of which some may be replaced: at once, or when they are fetched again."""

    keys: dict[str | None, VerificationKey] = field(
        default_factory=lambda: {name: VerificationKey(secret, "HS256") for name, secret in SECRETS.items()}
    )

    newer: VerificationKey | None = None
    fetches: int = 0

    async def find_keys(
        self, key_id: str | None, algorithm: object, wait: Wait = wait_for_fetch
    ) -> Sequence[VerificationKey]:
        assert algorithm == "HS256"
        assert wait is wait_for_fetch
        return [self.keys[key_id]] if key_id in self.keys else []

    async def fetch_again(self, wait: Wait = wait_for_fetch) -> bool:
        assert wait is wait_for_fetch
        self.fetches += 1
        if self.newer is not None:
            self.keys["a"] = self.newer
        return self.newer is not None

    def is_current(self, key: VerificationKey) -> bool:
        return any(key is each for each in self.keys.values())


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


async def refuse(authenticator: Authenticator, header: bytes) -> str | None:
    """Why a token is rejected. Callers are told the same whatever it is."""
    with pytest.raises(TokenRejected) as caught:
        await authenticator.authenticate(header)
    assert caught.value.message == "The token is not valid."
    return caught.value.reason


@pytest.mark.parametrize("key", SECRETS)
async def test_a_token_is_verified_by_the_key_that_it_names(authenticator: Authenticator, key: str) -> None:
    header = sign(key)
    caller = await authenticator.authenticate(header)
    assert caller == Caller(SITE, frozenset({Permission.READ}))
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    assert (outcome.caller, outcome.reason, outcome.site) == (caller, None, str(SITE))
    assert outcome.key.key == SECRETS[key]
    assert await outcome.authenticate() is caller
    other = sign(key, secret=SECRETS["b" if key == "a" else "a"])
    assert await refuse(authenticator, other) == SIGNATURE


async def test_where_neither_is_configured_any_issuer_and_audience_will_do(authenticator: Authenticator) -> None:
    assert (await authenticator.authenticate(sign(iss="anybody", aud="anybody"))).site_id == SITE


async def test_several_scopes_are_spread_by_spaces(authenticator: Authenticator) -> None:
    header = sign(scope=f" {READ_SCOPE}  unknown {WRITE_SCOPE}")
    assert await authenticator.authenticate(header) == Caller(SITE, frozenset(Permission))


async def test_a_site_is_one_however_it_is_written(authenticator: Authenticator) -> None:
    header = sign(site_id=str(SITE).upper())
    assert (await authenticator.authenticate(header)).site_id == SITE
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    assert outcome.site == str(SITE)


@pytest.mark.parametrize("named", ["c", None])
async def test_a_key_that_is_not_known_verifies_nothing(authenticator: Authenticator, named: str | None) -> None:
    header = sign(named=named)
    assert await refuse(authenticator, header) == "unknown key"
    assert authenticator.find_cached(header) is None


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
    assert authenticator.find_cached(header) is not None
    assert await authenticator.authenticate(header) is caller
    clock.now = expiry + 30
    assert authenticator.find_cached(header) is None
    assert await authenticator.authenticate(header) is not caller


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The monotonic time by which refusals end."""
    times = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(authentication, "monotonic", lambda: times.now)
    return times


async def test_a_refusal_is_remembered_for_ten_seconds(
    authenticator: Authenticator, stopwatch: SimpleNamespace
) -> None:
    header = sign(secret="x" * 32)
    began = stopwatch.now
    assert await refuse(authenticator, header) == SIGNATURE
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    assert (outcome.caller, outcome.site, outcome.reason, outcome.key.key) == (None, "", SIGNATURE, SECRETS["a"])
    stopwatch.now = began + 9.9
    assert authenticator.find_cached(header) is outcome
    stopwatch.now = began + 10
    assert authenticator.find_cached(header) is None


@pytest.mark.parametrize("days", [-4000, -1, 1, 4000])
async def test_a_refusal_by_a_wrong_clock_ends_when_the_clock_is_mended(
    authenticator: Authenticator, clock: SimpleNamespace, stopwatch: SimpleNamespace, days: int
) -> None:
    header = sign(secret="x" * 32)
    clock.now += days * 24 * 3600
    assert await refuse(authenticator, header) == SIGNATURE
    assert authenticator.find_cached(header) is not None
    clock.now = time.time()
    stopwatch.now += 10
    assert authenticator.find_cached(header) is None


async def test_a_caller_is_forgotten_when_the_clock_passes_the_end_of_the_token(
    authenticator: Authenticator, clock: SimpleNamespace, stopwatch: SimpleNamespace
) -> None:
    header = sign()
    await authenticator.authenticate(header)
    stopwatch.now += 1e9
    assert authenticator.find_cached(header) is not None
    clock.now += 700
    assert authenticator.find_cached(header) is None


async def test_with_its_key_a_caller_is_forgotten_and_then_refused(authenticator: Authenticator, ring: KeyRing) -> None:
    header = sign()
    await authenticator.authenticate(header)
    ring.keys["a"] = VerificationKey("another secret, long enough for HS256", "HS256")
    assert authenticator.find_cached(header) is None
    assert await refuse(authenticator, header) == SIGNATURE
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    assert outcome.reason == SIGNATURE


async def test_a_key_that_is_published_anew_verifies_its_callers_anew(
    authenticator: Authenticator, ring: KeyRing
) -> None:
    header = sign()
    caller = await authenticator.authenticate(header)
    ring.keys["a"] = VerificationKey(SECRETS["a"], "HS256")
    again = await authenticator.authenticate(header)
    assert again == caller
    assert again is not caller
    assert authenticator.find_cached(header) is not None


REASONS: list[tuple[dict[str, object], str]] = [
    ({"exp": 1}, "expired"),
    ({"exp": None}, "claim exp"),
    ({"exp": "soon"}, "claim exp"),
    ({"nbf": "soon"}, "claim nbf"),
    ({"iat": "x"}, "claim iat"),
    ({"iss": "them"}, "issuer"),
    ({"iss": ""}, "issuer"),
    ({"aud": "others"}, "audience"),
    ({"aud": ["others"]}, "audience"),
    ({"aud": None}, "audience"),
    ({"site_id": None}, "claim site_id"),
    ({"site_id": "7"}, "claim site_id"),
    ({"site_id": 7}, "claim site_id"),
    ({"site_id": [str(SITE)]}, "claim site_id"),
    ({"scope": 7}, "claim scope"),
    ({"scope": [READ_SCOPE, 7]}, "claim scope"),
    ({"scope": {READ_SCOPE: True}}, "claim scope"),
    ({"scope": None, "scp": 7}, "claim scp"),
]


@pytest.mark.parametrize(("claims", "reason"), REASONS, ids=str)
async def test_the_reason_of_a_rejection_is_remembered(ring: KeyRing, claims: dict[str, object], reason: str) -> None:
    authenticator = Authenticator(ring, issuer="us", audience="attendance")
    header = sign(**{"iss": "us", "aud": "attendance", **claims})
    assert await refuse(authenticator, header) == reason
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    with pytest.raises(TokenRejected) as again:
        await outcome.authenticate()
    assert again.value.reason == reason


@pytest.mark.parametrize("claims", [{"sub": 7}, {"jti": 7}, {"sub": ["x"], "jti": {}}], ids=str)
async def test_subject_and_id_of_a_token_are_not_looked_at(
    authenticator: Authenticator, claims: dict[str, object]
) -> None:
    assert (await authenticator.authenticate(sign(**claims))).site_id == SITE


BOTH = frozenset(Permission)
READ = frozenset({Permission.READ})


@pytest.mark.parametrize(
    ("claims", "permissions"),
    [
        ({"scope": [READ_SCOPE, WRITE_SCOPE]}, BOTH),
        ({"scope": [f"{READ_SCOPE} {WRITE_SCOPE}"]}, BOTH),
        ({"scope": []}, frozenset()),
        ({"scope": None, "scp": f"{READ_SCOPE} {WRITE_SCOPE}"}, BOTH),
        ({"scope": None, "scp": [READ_SCOPE]}, READ),
        ({"scope": READ_SCOPE, "scp": WRITE_SCOPE}, READ),
        ({"scope": "", "scp": WRITE_SCOPE}, frozenset()),
        ({"scope": None}, frozenset()),
    ],
    ids=str,
)
async def test_scopes_are_texts_or_arrays_of_either_claim(
    authenticator: Authenticator, claims: dict[str, object], permissions: frozenset[Permission]
) -> None:
    assert await authenticator.authenticate(sign(**claims)) == Caller(SITE, permissions)


class NamelessKeys(KeyRing):
    """Keys without ids."""

    async def find_keys(
        self,
        key_id: str | None,  # noqa: ARG002
        algorithm: object,  # noqa: ARG002
        wait: Wait = wait_for_fetch,  # noqa: ARG002
    ) -> Sequence[VerificationKey]:
        return list(self.keys.values())


async def test_each_of_several_keys_is_tried() -> None:
    ring = NamelessKeys()
    authenticator = Authenticator(ring)
    for name in SECRETS:
        header = sign(name, named=None)
        assert (await authenticator.authenticate(header)).site_id == SITE
        outcome = authenticator.find_cached(header)
        assert outcome is not None
        assert outcome.key is ring.keys[name]
    assert await refuse(authenticator, sign(secret="x" * 32)) == SIGNATURE
    assert await refuse(authenticator, sign("a", exp=1)) == "expired"


async def test_a_token_for_later_is_not_remembered(authenticator: Authenticator) -> None:
    header = sign(nbf=int(time.time()) + 60)
    assert await refuse(authenticator, header) == "not yet valid"
    assert authenticator.find_cached(header) is None


async def test_a_token_of_a_key_that_was_replaced_is_verified_by_the_new_one() -> None:
    ring = KeyRing(newer=VerificationKey("y" * 32, "HS256"))
    authenticator = Authenticator(ring)
    header = sign("a", secret="y" * 32)
    assert (await authenticator.authenticate(header)).site_id == SITE
    assert ring.fetches == 1
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    assert outcome.key is ring.newer
    assert await refuse(authenticator, sign("a")) == SIGNATURE


@pytest.mark.parametrize(
    ("header", "reason", "fetches"),
    [
        (sign(secret="x" * 32), SIGNATURE, 1),
        (sign(exp=1), "expired", 0),
        (sign(site_id=7, exp=int(time.time()) + 86_400), "claim site_id", 0),
        (sign(named="c"), "unknown key", 0),
    ],
    ids=["signature", "expired", "claim site_id", "unknown key"],
)
async def test_keys_are_fetched_again_for_a_wrong_signature_alone(
    authenticator: Authenticator, ring: KeyRing, header: bytes, reason: str, fetches: int
) -> None:
    assert await refuse(authenticator, header) == reason
    assert ring.fetches == fetches


async def test_a_caller_who_was_verified_keeps_its_site_until_its_token_ends(
    authenticator: Authenticator, ring: KeyRing, clock: SimpleNamespace
) -> None:
    header, wrong = sign(exp=int(clock.now) + 60), sign(secret="x" * 32)
    assert authenticator.find_site(header) == UNVERIFIED
    await authenticator.authenticate(header)
    await refuse(authenticator, wrong)
    ring.keys["a"] = VerificationKey("y" * 32, "HS256")
    assert authenticator.find_cached(header) is None
    assert authenticator.find_site(header) == str(SITE)
    assert authenticator.find_site(wrong) == authenticator.find_site(None) == UNVERIFIED
    clock.now += 60 + LEEWAY_SECONDS
    assert authenticator.find_site(header) == UNVERIFIED
