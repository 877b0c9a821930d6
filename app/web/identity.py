"""Whose request it is in logs and traces: an id that the caller gives or gets, and the trace that it belongs to."""

import re
import secrets
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

from app.web.headers import REQUEST_ID, TRACEPARENT

PROCESS = secrets.token_hex(8)
NUMBERS = count(1)
GIVEN_ID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~/=:@-]{1,128}")
TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[ -~]{0,200})?")


class RequestIdentity(NamedTuple):
    """A request as its caller, the gateways before it and the logs know it."""

    request_id: str
    traceparent: str | None


def identify_request(headers: Mapping[bytes, bytes]) -> RequestIdentity:
    """The identity that the headers `X-Request-Id` and `traceparent` give a request.

    An id that cannot stand in a log as it is, or none, is replaced by one of this process's own. A trace that is not
    as W3C Trace Context has it is none.
    """
    given_id, given_trace = headers.get(REQUEST_ID), headers.get(TRACEPARENT)
    request_id = None if given_id is None else read_request_id(given_id)
    return RequestIdentity(
        request_id or f"{PROCESS}{next(NUMBERS):016x}", None if given_trace is None else read_trace(given_trace)
    )


def read_request_id(given: bytes) -> str | None:
    text = given.decode("latin-1")
    return text if GIVEN_ID.fullmatch(text) else None


def read_trace(given: bytes) -> str | None:
    """A `traceparent` that later versions of the format may have added to (W3C Trace Context, section 4)."""
    text = given.decode("latin-1")
    match = TRACE.fullmatch(text)
    if match is None or (match["more"] is not None and text.startswith("00-")):
        return None
    return text
