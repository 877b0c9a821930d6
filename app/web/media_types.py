"""Content negotiation of GraphQL over HTTP: the media types of request bodies and of responses."""

import re
from collections.abc import Sequence
from functools import lru_cache

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
# Streams are only sent to requests that name one of these types: a client that accepts anything expects an end.
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"
RANGES = {
    GRAPHQL_RESPONSE: (GRAPHQL_RESPONSE, "application/*", "*/*"),
    JSON: (JSON, "application/*", "*/*"),
    EVENT_STREAM: (EVENT_STREAM,),
    MULTIPART: (MULTIPART,),
    HTML: (HTML, "text/*", "*/*"),
}
WHOLE_TYPES = (GRAPHQL_RESPONSE, JSON, EVENT_STREAM)
# Clients send few different values of these headers. A value is at most as long as a request's head may be (64 KiB).
MAX_CACHED_HEADERS = 64
MAX_RANGES = 100
MAX_CONTENT_TYPE_LENGTH = 512
SPECIFICATION = re.compile(r"subscriptionspec=\"?1\.0\"?")
QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")


@lru_cache(MAX_CACHED_HEADERS)
def choose_media_type(accept: bytes | None) -> str | None:
    """The media type of a whole response to a request with this Accept header; None if it accepts none.

    One that accepts nothing but a multipart stream gets whole responses as JSON.
    """
    if accept is None or not accept.strip():
        return JSON
    qualities = read_qualities(accept.decode("latin-1"))
    chosen = choose(qualities, WHOLE_TYPES)
    return chosen or (JSON if choose(qualities, (MULTIPART,)) else None)


@lru_cache(MAX_CACHED_HEADERS)
def is_json(content_type: bytes | None) -> bool:
    """Whether a Content-Type is JSON in UTF-8. Browsers send it across origins only after a preflight request."""
    if content_type is None or len(content_type) > MAX_CONTENT_TYPE_LENGTH:
        return False
    media_type, *parameters = (part.strip().lower() for part in content_type.decode("latin-1").split(";"))
    charsets = [text.removeprefix("charset=").strip('"') for text in parameters if text.startswith("charset=")]
    return media_type == JSON and all(charset in ("utf-8", "utf8") for charset in charsets)


def choose(qualities: dict[str, float], media_types: Sequence[str]) -> str | None:
    """The one of some media types that an Accept header prefers; None if it accepts none of them.

    The most specific range determines a type's quality (RFC 9110, section 12.5.1). Among types of equal quality, a
    type that is named wins over one that is not, and the first of those that are named. `*/*` selects JSON, for clients
    that are older than `application/graphql-response+json`.
    """
    ranked = [(*rate(qualities, media_type), media_type == JSON, media_type) for media_type in media_types]
    quality, _, _, best = max(ranked)
    return best if quality > 0 else None


def rate(qualities: dict[str, float], media_type: str) -> tuple[float, int]:
    """The quality of a type, and a number that is larger the earlier the header names it (0 if it does not)."""
    for name in RANGES[media_type]:
        if name in qualities:
            return qualities[name], len(qualities) - list(qualities).index(name) if name == media_type else 0
    return 0.0, 0


def read_qualities(accept: str) -> dict[str, float]:
    """The quality of each of the first `MAX_RANGES` media ranges of a header. A malformed quality counts as 1.

    `multipart/mixed` only counts with the version of Apollo's protocol for subscriptions that is used here: there are
    other protocols of that type.
    """
    qualities: dict[str, float] = {}
    for item in accept.split(",", MAX_RANGES)[:MAX_RANGES]:
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name == MULTIPART and not any(SPECIFICATION.fullmatch(text) for text in parameters):
            continue
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        qualities[name] = float(quality) if QUALITY.fullmatch(quality) else 1.0
    return qualities
