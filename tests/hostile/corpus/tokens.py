"""Tokens and Authorization headers that are forged, stale, or of another kind."""

import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import jwt
import orjson

from tests.hostile.case import TOKEN, ask, gets
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, make_token

SITE = "01890a5d-ac96-774b-bcce-b302099a8057"
READ = ask("{ attendances { totalCount } }", **gets(401, "UNAUTHENTICATED"))
WRITE = ask('mutation { deleteAttendance(id: "x") { deletedId } }', **gets(403, "FORBIDDEN"))
GOOD = {"site_id": SITE, "scope": f"{READ_SCOPE} {WRITE_SCOPE}", "exp": 4_000_000_000}


def encode(content: Any) -> str:
    raw = content if isinstance(content, bytes) else orjson.dumps(content)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def sign(header: Any, claims: Any) -> str:
    """A token that holds whatever it is given, rightly signed."""
    text = f"{encode(header)}.{encode(claims)}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{text}.{encode(algorithm.sign(text.encode(), SECRET.encode()))}"


def claim(**claims: Any) -> str:
    return make_token(SITE, READ_SCOPE, WRITE_SCOPE, **claims)


HS256 = {"typ": "JWT", "alg": "HS256"}
TOKENS: dict[str, str] = {
    "expired": claim(exp=int(time.time()) - 60),
    "expired before 1970": claim(exp=-1),
    "without an end": claim(exp=None),
    "with a word for an end": claim(exp="never"),
    "not valid yet": claim(nbf=int(time.time()) + 3600),
    "issued in the future": sign(HS256, GOOD | {"iat": "x"}),
    "signed with another secret": claim(secret="x" * 40),
    "signed with the empty secret": f"{encode(HS256)}.{encode(GOOD)}.{encode(b'x' * 32)}",
    "not signed": f"{encode({'typ': 'JWT', 'alg': 'none'})}.{encode(GOOD)}.",
    "not signed, in capitals": f"{encode({'typ': 'JWT', 'alg': 'NonE'})}.{encode(GOOD)}.",
    "of another algorithm": claim(secret=SECRET * 2, algorithm="HS512"),
    "of an algorithm for keys": f"{encode({'typ': 'JWT', 'alg': 'RS256'})}.{encode(GOOD)}.{encode(b'x' * 256)}",
    "whose key is a path": sign(HS256 | {"kid": "../../dev/null", "alg": "none"}, GOOD),
    "whose key is SQL": sign(HS256 | {"kid": "' UNION SELECT 'x", "alg": "HS384"}, GOOD),
    "whose key is elsewhere": sign(
        {"alg": "RS256", "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9"}, GOOD
    ),
    "that brings its key": sign({"alg": "RS256", "jwk": {"kty": "oct", "k": encode(b"x" * 32)}}, GOOD),
    "with an unknown demand": sign(HS256 | {"crit": ["exp"]}, GOOD),
    "that is compressed": sign(HS256 | {"zip": "DEF", "enc": "A128GCM", "alg": "dir"}, GOOD),
    "without a site": sign(HS256, {key: value for key, value in GOOD.items() if key != "site_id"}),
    "of no site": sign(HS256, GOOD | {"site_id": None}),
    "of all sites": sign(HS256, GOOD | {"site_id": "*"}),
    "of two sites": sign(HS256, GOOD | {"site_id": [SITE, SITE]}),
    "of a site that is SQL": sign(HS256, GOOD | {"site_id": "' OR '1'='1"}),
    "of a site without hyphens": sign(HS256, GOOD | {"site_id": SITE.replace("-", "")}),
    "of a site that is a number": sign(HS256, GOOD | {"site_id": 7}),
    "with a list of lists of scopes": sign(HS256, GOOD | {"scope": [[READ_SCOPE]]}),
    "with scopes that are true": sign(HS256, GOOD | {"scope": True}),
    "whose claims are a list": sign(HS256, [GOOD]),
    "whose claims are broken": sign(HS256, b"{\xff"),
    "whose claims are deep": sign(HS256, b"[" * 5000),
    "whose header is deep": sign(b"[" * 5000, GOOD),
    "whose header is a text": sign("HS256", GOOD),
    "of 9,000 letters": claim(filling="x" * 9000),
    "of dots": "." * 1000,
    "of one letter": "x",
    "of three empty parts": "..",
}
AUTHORIZATIONS: dict[str, tuple[str, ...]] = {
    "no header": (),
    "an empty header": ("",),
    "Bearer alone": ("Bearer",),
    "Basic": ("Basic YWRtaW46YWRtaW4=",),
    "Digest": ('Digest username="admin"',),
    "a token without Bearer": (TOKEN,),
    "two headers": (f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
    "a good header and a bad one": (f"Bearer {TOKEN}", "Bearer x"),
    "two tokens in one header": (f"Bearer {TOKEN}, Bearer {TOKEN}",),
    "a token in quotes": (f'Bearer "{TOKEN}"',),
    "a token in percent signs": (f"Bearer %{TOKEN}",),
    "a header of 60,000 letters": ("Bearer " + "a" * 60_000,),
}
WEAK: dict[str, str] = {
    "a token that may only read": READ_SCOPE,
    "a token without scopes": "",
    "a token with scopes in lower case": WRITE_SCOPE.lower(),
    "a token with a scope's beginning": "SCOPE.DC-BOOKINGS",
    "a token with commas between scopes": f"{READ_SCOPE},{WRITE_SCOPE}",
}
AUTHORITY = {
    **{f"a token {name}": replace(READ, authorization=(f"Bearer {text}",)) for name, text in TOKENS.items()},
    **{name: replace(READ, authorization=values) for name, values in AUTHORIZATIONS.items()},
    **{
        name: replace(WRITE, authorization=(f"Bearer {sign(HS256, GOOD | {'scope': scope})}",))
        for name, scope in WEAK.items()
    },
}
