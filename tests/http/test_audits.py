"""The 61 audits that the npm package graphql-http makes of a server, asked of this one."""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import httpx2
import orjson
import pytest

from tests.support.media_types import GRAPHQL_RESPONSE, JSON

TYPENAME = {"query": "{ __typename }"}
NAMED = {"query": "query Query { __typename }", "operationName": "Query"}
TYPE_BY_VARIABLE: dict[str, Any] = {
    "query": "query Type($name: String!) { __type(name: $name) { name } }",
    "variables": {"name": "sometype"},
}
UNPARSABLE = {"query": "{"}
INVALID = {"query": "{ 8f31403dfe404bccbb0e835f2629c6a7 }"}
NOT_COERCIBLE = {"query": "query CoerceFailure($id: ID!) { __typename }", "variables": {"id": None}}
BROKEN_JSON = b'{ "not a JSON'
NO_TEXTS = ({"obj": "ect"}, 0, False, ["array"])
NO_MAPS = ("string", 0, False, ["array"])
REFUSED = range(400, 500)
REFUSED_OR_FAILED = range(400, 600)


@dataclass(frozen=True, slots=True)
class Audit:
    """One request and what its answer must be; `sent` is the body, and `asked` the query string of a GET."""

    id: str
    sentence: str
    sent: dict[str, Any] | bytes | None = None
    asked: dict[str, str] | None = None
    accept: str | None = None
    content_type: str | None = JSON
    statuses: range = range(200, 201)
    answered_in: str | None = None
    absent: tuple[str, ...] = ()

    async def ask(self, client: httpx2.AsyncClient) -> httpx2.Response:
        headers = {} if self.accept is None else {"accept": self.accept}
        if self.asked is not None:
            return await client.get("/graphql", params=self.asked, headers=headers)
        if self.content_type is not None:
            headers["content-type"] = self.content_type
        content = orjson.dumps(self.sent) if isinstance(self.sent, dict) else self.sent
        return await client.post("/graphql", content=content, headers=headers)


def only(status: int) -> range:
    return range(status, status + 1)


def kinds(name: str, prefix: str, values: tuple[Any, ...]) -> list[Audit]:
    """The audits that a parameter of a wrong kind is refused."""
    return [
        Audit(f"{prefix}{n}", f"{name} is not {value!r}", {**TYPENAME, name: value}, statuses=only(400))
        for n, value in enumerate(values)
    ]


def in_both(first: str, second: str, sentence: str, sent: dict[str, Any], *, checks_first: bool = False) -> list[Audit]:
    """The audits that a request succeeds whichever media type its answer is wanted in."""
    return [
        Audit(
            first, f"{sentence}, as graphql-response", sent, accept=GRAPHQL_RESPONSE, absent=("errors",) * checks_first
        ),
        Audit(second, f"{sentence}, as JSON", sent, accept=JSON, absent=("errors",)),
    ]


MEDIA_TYPES = [
    Audit("22EB", "the new type is answered in kind", TYPENAME, accept=GRAPHQL_RESPONSE, answered_in=GRAPHQL_RESPONSE),
    Audit("4655", "JSON is answered in kind", TYPENAME, accept=JSON, answered_in=JSON),
    Audit("47DE", "whoever takes anything gets JSON", TYPENAME, accept="*/*", answered_in=JSON),
    Audit("80D8", "whoever says nothing gets JSON", TYPENAME, answered_in=JSON),
    Audit("82A3", "the answer is UTF-8", TYPENAME),
    Audit(
        "BF61",
        "the request may be in UTF-8",
        '{"query": "{ __type(name: \\"Run🏃Swim🏊\\") { name } }"}'.encode(),
        content_type="application/json; charset=utf-8",
    ),
    Audit("78D5", "a request that names no encoding is in UTF-8", TYPENAME),
]
METHODS = [
    Audit("2C94", "POST is served", TYPENAME),
    Audit("5A70", "GET is served", asked=TYPENAME),
    Audit(
        "9C48",
        "GET runs no mutations",
        asked={"query": "mutation { __typename }"},
        accept=GRAPHQL_RESPONSE,
        statuses=REFUSED,
    ),
    Audit("9ABE", "a body of no type is refused", TYPENAME, content_type=None, statuses=REFUSED),
    Audit("03D4", "a body may be JSON", TYPENAME),
    Audit("A5BF", "POST needs a body", statuses=only(400)),
]
PARAMETERS = [
    Audit("423L", "query must be given", {"notquery": "{}"}, accept=GRAPHQL_RESPONSE, statuses=only(400)),
    *kinds("query", "LKJ", NO_TEXTS),
    *in_both("34A2", "13EE", "query is a text", TYPENAME),
    *kinds("operationName", "6C0", NO_TEXTS),
    *in_both("8161", "B8B3", "operationName is a text", NAMED),
    *chain.from_iterable(
        in_both(f"94B{n}", f"022{n}", f"{name} may be null", {**TYPENAME, name: None}, checks_first=True)
        for n, name in enumerate(("variables", "operationName", "extensions"))
    ),
    *kinds("variables", "476", NO_MAPS),
    *in_both("2EA1", "28B9", "variables is a map", TYPE_BY_VARIABLE),
    *(
        Audit(
            audit_id,
            f"GET takes variables as JSON, answered as {accept}",
            asked={"query": TYPE_BY_VARIABLE["query"], "variables": '{"name":"sometype"}'},
            accept=accept,
            absent=("errors",),
        )
        for audit_id, accept in (("D6D5", GRAPHQL_RESPONSE), ("6A70", JSON))
    ),
    *kinds("extensions", "58B", NO_MAPS),
    *in_both("428F", "1B7A", "extensions is a map", {**TYPENAME, "extensions": {"some": "value"}}),
    Audit("B6DC", "broken JSON gets a status that exists", BROKEN_JSON, accept=JSON, statuses=range(200, 600)),
    Audit("BCF8", "broken JSON is refused, as JSON", BROKEN_JSON, accept=JSON, statuses=only(400)),
    Audit(
        "B7N8", "broken JSON is refused, as graphql-response", BROKEN_JSON, accept=GRAPHQL_RESPONSE, statuses=only(400)
    ),
    Audit("8764", "unknown parameters alone are refused", {"qeury": "{ __typename }"}, statuses=REFUSED_OR_FAILED),
    Audit("3E3A", "unknown parameters alone get 400", {"qeury": "{ __typename }"}, statuses=only(400)),
]
PLAIN_JSON_ANSWERS = [
    Audit("572B", "as JSON, a document that does not parse gets 200", UNPARSABLE, accept=JSON),
    Audit("FDE2", "as JSON, an invalid document gets 200", INVALID, accept=JSON),
    Audit("7B9B", "as JSON, wrong variables get 200", NOT_COERCIBLE, accept=JSON),
]
GRAPHQL_RESPONSE_ANSWERS = [
    Audit(
        "865D", "an unparsable document is an error", UNPARSABLE, accept=GRAPHQL_RESPONSE, statuses=REFUSED_OR_FAILED
    ),
    Audit("556A", "an unparsable document gets 400", UNPARSABLE, accept=GRAPHQL_RESPONSE, statuses=only(400)),
    Audit(
        "D586",
        "an unparsable document has no data",
        UNPARSABLE,
        accept=GRAPHQL_RESPONSE,
        statuses=REFUSED_OR_FAILED,
        absent=("data",),
    ),
    Audit("51FE", "an invalid document is an error", INVALID, accept=GRAPHQL_RESPONSE, statuses=REFUSED_OR_FAILED),
    Audit("74FF", "an invalid document gets 400", INVALID, accept=GRAPHQL_RESPONSE, statuses=only(400)),
    Audit(
        "5E5B",
        "an invalid document has no data",
        INVALID,
        accept=GRAPHQL_RESPONSE,
        statuses=REFUSED_OR_FAILED,
        absent=("data",),
    ),
    Audit("86EE", "wrong variables get 400", NOT_COERCIBLE, accept=GRAPHQL_RESPONSE, statuses=only(400)),
]
AUDITS = [*MEDIA_TYPES, *METHODS, *PARAMETERS, *PLAIN_JSON_ANSWERS, *GRAPHQL_RESPONSE_ANSWERS]


def test_all_61_audits_are_here_and_each_has_its_own_id() -> None:
    assert len(AUDITS) == len({audit.id for audit in AUDITS}) == 61


@pytest.mark.parametrize("audit", AUDITS, ids=lambda audit: audit.id)
async def test_the_service_passes_the_audit(audit: Audit, bare: httpx2.AsyncClient) -> None:
    answer = await audit.ask(bare)
    assert answer.status_code in audit.statuses, (audit.sentence, answer.text)
    content = orjson.loads(answer.content)  # which takes nothing but UTF-8
    assert not content.keys() & set(audit.absent), (audit.sentence, content)
    if audit.answered_in is not None:
        assert audit.answered_in in answer.headers["content-type"], audit.sentence
