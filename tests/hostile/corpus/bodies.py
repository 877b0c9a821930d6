"""Bodies that are no JSON, no request, or too much of either."""

from tests.hostile.case import COMPLEX, INPUT, ask, gets, post

QUERY = b'{"query": "{ __typename }"}'
TYPENAME = {"__typename": "Query"}
BAD = gets(400, INPUT)

BODIES = {
    "nothing": post(b"", **BAD),
    "null": post(b"null", **BAD),
    "a text": post(b'"{ __typename }"', **BAD),
    "a number": post(b"7", **BAD),
    "an empty list": post(b"[]", **BAD),
    "a batch": post(b"[" + QUERY + b"," + QUERY + b"]", **BAD),
    "a batch of 10,000": post(b"[" + b",".join([b"{}"] * 10_000) + b"]", **BAD),
    "cut off": post(QUERY[:-1], **BAD),
    "two texts": post(QUERY + QUERY, **BAD),
    "a trailing comma": post(QUERY[:-1] + b",}", **BAD),
    "a comment": post(QUERY + b" // no", **BAD),
    "single quotes": post(b"{'query': '{ __typename }'}", **BAD),
    "bare words": post(b"{query: __typename}", **BAD),
    "a form": post(b"query=%7B__typename%7D", **BAD),
    "XML": post(b'<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', **BAD),
    "a pickle": post(b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94", **BAD),
    "gzip": post(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", **BAD),
    "zeros": post(b"\0" * 1000, **BAD),
    "broken UTF-8": post(b'{"query": "{ __typename } #\xff"}', **BAD),
    "overlong UTF-8": post(b'{"query": "{ __typename } #\xc0\xaf"}', **BAD),
    "UTF-16": post(QUERY.decode().encode("utf-16"), **BAD),
    "UTF-32": post(QUERY.decode().encode("utf-32-le"), **BAD),
    "a byte order mark": post(b"\xef\xbb\xbf" + QUERY, **gets(200, data=TYPENAME)),
    "a surrogate": post('{"query": "{ __typename } #\ud800"}', **BAD),
    "an escaped surrogate": post(rb'{"query": "{ __typename } #\udc00"}', **BAD),
    "NaN": post(b'{"query": "{ __typename }", "variables": {"x": NaN}}', **BAD),
    "Infinity": post(b'{"query": "{ __typename }", "variables": {"x": Infinity}}', **BAD),
    "a number beyond doubles": post(b'{"query": "{ __typename }", "variables": {"x": 1e999}}', **BAD),
    "100,000 lists deep": post(b"[" * 100_000 + b"]" * 100_000, **BAD),
    "40,000 objects deep": post(b'{"a":' * 40_000 + b"1" + b"}" * 40_000, **BAD),
    "deep variables": post(
        b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}}", **BAD
    ),
    "a byte too many": post(QUERY.ljust(262_145), **gets(413, INPUT)),
    "a megabyte of spaces": post(QUERY.ljust(1_000_000), **gets(413, INPUT)),
    "as large as may be": post(QUERY.ljust(262_144), **gets(200, data=TYPENAME)),
    "no query": post(b"{}", **gets(400, INPUT, "query")),
    "a query that is null": post(b'{"query": null}', **gets(400, INPUT, "query")),
    "a query that is a number": post(b'{"query": 1}', **gets(400, INPUT, "query")),
    "a query that is a list": post(b'{"query": ["{ __typename }"]}', **gets(400, INPUT, "query")),
    "a query that is an object": post(b'{"query": {"kind": "Document"}}', **gets(400, INPUT, "query")),
    "variables that are an empty list": post(QUERY[:-1] + b', "variables": []}', **gets(200, data=TYPENAME)),
    "variables that are a list": post(QUERY[:-1] + b', "variables": [1]}', **gets(400, INPUT, "variables")),
    "variables that are a text": post(QUERY[:-1] + b', "variables": "{}"}', **gets(400, INPUT, "variables")),
    "a name that is a number": post(QUERY[:-1] + b', "operationName": 1}', **gets(400, INPUT, "operationName")),
    "a name that is a list": post(QUERY[:-1] + b', "operationName": ["A"]}', **gets(400, INPUT, "operationName")),
    "a name that nothing has": post(
        QUERY[:-1] + b', "operationName": "__proto__"}', **gets(400, INPUT, "operationName")
    ),
    "an empty name": post(QUERY[:-1] + b', "operationName": ""}', **gets(200, data=TYPENAME)),
    "extensions that are a list": post(QUERY[:-1] + b', "extensions": [1]}', **gets(400, INPUT, "extensions")),
    "keys of prototypes": post(
        b'{"__proto__": {"x": 1}, "constructor": 1, "query": "{ __typename }"}', **gets(200, data=TYPENAME)
    ),
    "a key twice": post(b'{"query": "{ nothing }", "query": "{ __typename }"}', **gets(200, data=TYPENAME)),
    "more than 5,000 variables": ask("{ __typename }", {f"v{n}": 1 for n in range(5001)}, **gets(400, COMPLEX)),
    "a list of 100,000": ask("{ __typename }", {"v": [0] * 100_000}, **gets(400, COMPLEX)),
    "lists of lists": ask("{ __typename }", {"v": [[0] * 60] * 100}, **gets(400, COMPLEX)),
    "100,000 empty lists": post(
        b'{"query": "{ __typename }", "variables": {"v": [' + b",".join([b"[]"] * 80_000) + b"]}}", **gets(400, COMPLEX)
    ),
}
