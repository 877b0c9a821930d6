"""How events are written into the body of an HTTP response: as Server-Sent Events, and as parts of a multipart body."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from app.web.media_types import EVENT_STREAM, MAX_CACHED_HEADERS, MULTIPART, choose, read_qualities

SSE_COMMENT = b":\n\n"
SSE_COMPLETE = b"event: complete\ndata:\n\n"
BOUNDARY = b"-"
DELIMITER = b"\r\n--" + BOUNDARY
PART_HEAD = b"\r\nContent-Type: application/json\r\n\r\n"
ERRORS, NO_DATA = b'{"errors":', b',"data":null}'


class Framing(NamedTuple):
    """A transport's name in log and metrics, its content type, and what its body consists of.

    The body is `opening`, then the framed events with `heartbeat` between them, and `closing`.
    """

    name: str
    content_type: bytes
    opening: bytes
    frame: Callable[[bytes], bytes]
    heartbeat: bytes
    closing: bytes


def frame_event(body: bytes) -> bytes:
    """A GraphQL response as an event. It is one line, because JSON of responses has no line breaks."""
    return b"event: next\ndata: " + body + b"\n\n"


def frame_part(body: bytes) -> bytes:
    """A GraphQL response as a part, with the delimiter that ends it: clients read a part when its end has arrived.

    Errors without data end the stream, so they are errors of the transport, whose payload is null.
    """
    if body.startswith(ERRORS) and body.endswith(NO_DATA):
        return write_part(b'{"payload":null,' + body[1 : -len(NO_DATA)] + b"}")
    return write_part(b'{"payload":' + body + b"}")


def write_part(content: bytes) -> bytes:
    return PART_HEAD + content + DELIMITER


# "Distinct connections mode" of GraphQL over SSE. The comment at the beginning sends the response's head.
SSE = Framing("sse", f"{EVENT_STREAM}; charset=utf-8".encode(), SSE_COMMENT, frame_event, SSE_COMMENT, SSE_COMPLETE)
# Apollo's "Multipart HTTP protocol for GraphQL subscriptions".
PARTS = Framing(
    "multipart",
    f'{MULTIPART}; boundary="{BOUNDARY.decode()}"; subscriptionSpec=1.0'.encode(),
    DELIMITER,
    frame_part,
    write_part(b"{}"),
    b"--\r\n",
)
FRAMINGS = {EVENT_STREAM: SSE, MULTIPART: PARTS}


@lru_cache(MAX_CACHED_HEADERS)
def choose_framing(accept: bytes | None) -> Framing | None:
    """The framing of a stream to a request with this Accept header; None if it names none."""
    media_type = choose(read_qualities((accept or b"").decode("latin-1")), tuple(FRAMINGS))
    return None if media_type is None else FRAMINGS[media_type]


def frame_whole(body: bytes) -> bytes:
    """The events of an operation that is no subscription, or is refused."""
    return frame_event(body) + SSE_COMPLETE
