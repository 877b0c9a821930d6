"""Content negotiation as GraphQL over HTTP has it: which media type a request holds, and which its answer gets."""

import re
from functools import lru_cache

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
RANGES = {
    GRAPHQL_RESPONSE: (GRAPHQL_RESPONSE, "application/*", "*/*"),
    JSON: (JSON, "application/*", "*/*"),
}
LONGEST_REMEMBERED = 512
HEADERS_REMEMBERED = 256
MOST_RANGES = 100
QUALITY = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?")


def choose_media_type(accept: bytes | None) -> str | None:
    """The media type of the answer to a request with this Accept header; None where it allows neither.

    Few clients differ in this header, so what was found for one is remembered by its bytes.
    """
    if accept is None:
        return JSON
    return recall_media_type(accept) if len(accept) <= LONGEST_REMEMBERED else negotiate(accept.decode("latin-1"))


def holds_json(content_type: bytes | None) -> bool:
    """Whether a request's body is JSON in UTF-8, which browsers send across origins only after asking."""
    if content_type is None or len(content_type) > LONGEST_REMEMBERED:
        return False
    return recall_json(content_type)


@lru_cache(HEADERS_REMEMBERED)
def recall_media_type(accept: bytes) -> str | None:
    return negotiate(accept.decode("latin-1"))


@lru_cache(HEADERS_REMEMBERED)
def recall_json(content_type: bytes) -> bool:
    return is_json(content_type.decode("latin-1"))


def negotiate(accept: str) -> str | None:
    """The media type that an Accept header asks for; None where it allows neither.

    The more specific range decides a type's quality (RFC 9110, section 12.5.1). Of types of the same quality the one
    that is named wins, and of two that are named the first. A client that asks for `*/*` gets JSON, as before the new
    type existed.
    """
    if not accept.strip():
        return JSON
    qualities = read_qualities(accept)
    ranked = [(*rate(qualities, media_type), media_type == JSON, media_type) for media_type in RANGES]
    quality, _, _, best = max(ranked)
    return best if quality > 0 else None


def rate(qualities: dict[str, float], media_type: str) -> tuple[float, int]:
    """The quality that a header gives a type, and how early it names the type itself: the more, the earlier."""
    for name in RANGES[media_type]:
        if name in qualities:
            return qualities[name], len(qualities) - list(qualities).index(name) if name == media_type else 0
    return 0.0, 0


def read_qualities(accept: str) -> dict[str, float]:
    """The quality of each of the first media ranges in an Accept header; a malformed quality counts as 1."""
    qualities: dict[str, float] = {}
    for item in accept.split(",", MOST_RANGES)[:MOST_RANGES]:
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        qualities[name] = float(quality) if QUALITY.fullmatch(quality) else 1.0
    return qualities


def is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [text.removeprefix("charset=").strip('"') for text in parameters if text.startswith("charset=")]
    return media_type == JSON and all(charset in ("utf-8", "utf8") for charset in charsets)
