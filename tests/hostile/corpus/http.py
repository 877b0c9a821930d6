"""Requests that bend HTTP: methods, paths, headers, media types and query strings."""

from dataclasses import replace
from urllib.parse import quote

from tests.hostile.case import INPUT, INVALID, UNPARSED, Case, Headers, ask, gets
from tests.support.media_types import GRAPHQL_RESPONSE, JSON

TYPENAME = ask("{ __typename }", **gets(200, data={"__typename": "Query"}))
MUTATION = 'mutation { deleteAttendance(id: "x") { deletedId } }'


def with_headers(*headers: tuple[str, str | bytes], of: Case = TYPENAME, **answer: object) -> Case:
    """A case whose headers are these, beside those of other names that it has."""
    names = {name for name, _ in headers}
    kept: Headers = tuple(each for each in of.headers if each[0] not in names)
    return replace(of, headers=kept + headers, **answer)  # type: ignore[arg-type]


def get(query_string: str, **answer: object) -> Case:
    path = f"/graphql?{query_string}"
    return Case(method="GET", path=path, headers=(("accept", GRAPHQL_RESPONSE),), **answer)  # type: ignore[arg-type]


def typed(content_type: str) -> Case:
    return with_headers(("content-type", content_type), **gets(415, INPUT))


METHODS = {
    f"{method} of GraphQL": replace(TYPENAME, method=method, **gets(405, INPUT))
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "BREW")
}
TYPES = {
    "a body of text": typed("text/plain"),
    "a body of text that says JSON": typed("text/plain; application/json"),
    "a form's body": typed("application/x-www-form-urlencoded"),
    "a multipart body": typed("multipart/form-data; boundary=x"),
    "a body of GraphQL": typed("application/graphql"),
    "a body of JSON lines": typed("application/jsonl"),
    "a body in another character set": typed("application/json; charset=utf-7"),
    "an empty type": typed(""),
    "a type of 60,000 letters": typed("application/" + "x" * 60_000),
    "a type with a NUL": typed("application/json\0"),
    "gzip": with_headers(("content-encoding", "gzip"), **gets(415, INPUT)),
    "a compression bomb": with_headers(("content-encoding", "gzip, gzip, br"), **gets(415, INPUT)),
    "no type": replace(TYPENAME, headers=(("accept", GRAPHQL_RESPONSE),), **gets(415, INPUT)),
}
ACCEPTS = {
    "an answer in HTML": with_headers(("accept", "text/html"), **gets(406, INPUT)),
    "an answer in XML": with_headers(("accept", "application/xml;q=1"), **gets(406, INPUT)),
    "no quality at all": with_headers(("accept", "*/*;q=0"), **gets(406, INPUT)),
    "a list of 10,000 types": with_headers(("accept", "a/b," * 10_000), **gets(406, INPUT)),
    "an accept of commas": with_headers(("accept", "," * 1000), **gets(406, INPUT)),
    "an accept that is no text": with_headers(("accept", b"\xff\xfe"), **gets(406, INPUT)),
    "a quality that is no number": with_headers(("accept", f"{JSON};q=NaN"), **gets(200, data={"__typename": "Query"})),
}
GETS = {
    "a GET without a query": get("", **gets(400, INPUT, "query")),
    "a GET with an empty query": get("query=", **gets(400, UNPARSED)),
    "a GET of a mutation": get(f"query={quote(MUTATION)}", **gets(405, INPUT)),
    "a GET of a mutation among queries": get(
        f"query={quote('query A { __typename } ' + MUTATION.replace('mutation', 'mutation B'))}&operationName=B",
        **gets(405, INPUT),
    ),
    "a GET whose variables are no JSON": get("query={__typename}&variables={", **gets(400, INPUT, "variables")),
    "a GET whose variables are a list": get("query={__typename}&variables=[1]", **gets(400, INPUT, "variables")),
    "a GET whose extensions are no JSON": get("query={__typename}&extensions=x", **gets(400, INPUT, "extensions")),
    "a GET with broken UTF-8": get("query=%7B__typename%7D%ff", **gets(400, UNPARSED)),
    "a GET with a broken escape": get("query=%7B__typename%7", **gets(400, UNPARSED)),
    "a GET with a NUL": get("query=%00", **gets(400, UNPARSED)),
    "a GET of an unknown field": get("query={secrets}", **gets(400, INVALID)),
    "a GET with a query twice": get("query={nothing}&query={__typename}", **gets(200, data={"__typename": "Query"})),
    "a GET with 5,000 parameters": get("&".join(f"p{n}=1" for n in range(5000)), **gets(400, INPUT, "query")),
    "a GET for an unknown operation": get("query={__typename}&operationName=B", **gets(400, INPUT, "operationName")),
}
HEADERS = {
    "a method to override": with_headers(("x-http-method-override", "DELETE")),
    "another host": with_headers(("host", "evil.example")),
    "a forwarded host": with_headers(("x-forwarded-host", "evil.example"), ("x-original-url", "/metrics")),
    "a request id of another kind": with_headers(("x-request-id", "<script>alert(1)</script>")),
    "a trace without sense": with_headers(("traceparent", "00-zz-zz-zz")),
    "1,000 headers": with_headers(*[(f"x-{n}", "1") for n in range(1000)]),
    "a cookie of 60,000 letters": with_headers(("cookie", "a=" + "x" * 60_000)),
    "an origin elsewhere": with_headers(("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")),
}
HTTP = METHODS | TYPES | ACCEPTS | GETS | HEADERS
