"""What the service's pages have in common: who gets them, their policy, and the files that they load."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.web.media_types import GRAPHQL_RESPONSE, HTML, JSON, rate, read_qualities

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'{cdn}; style-src 'self'{cdn}; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
NOT_FOUND = "Not Found"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a page in memory, with the entity tag that browsers revalidate it by."""

    content: bytes
    content_type: str
    etag: str


class Assets:
    """The files that a page loads from this service: a closed set of names."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._assets = {path.name: read_asset(path) for path in paths}

    async def respond(self, request: Request) -> Response:
        """An asset; 304 if the browser has the current version, 404 if there is no such asset."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return not_found()
        headers = {
            "ETag": asset.etag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if matches_etag(request.headers.get("if-none-match"), asset.etag):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers={**headers, "Content-Type": asset.content_type})


def respond_page(page: str, policy: str) -> Response:
    """A page. It is never cached, because it may contain a token."""
    return HTMLResponse(
        page,
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )


def not_found() -> Response:
    return Response(NOT_FOUND, status_code=404, media_type="text/plain")


def wants_page(request: Request) -> bool:
    """Whether this is a browser that opens a page, or asks for its headers."""
    return request.method in ("GET", "HEAD") and accepts_page(request.headers.get("accept"))


def accepts_page(accept_header: str | None) -> bool:
    """Whether an Accept header prefers HTML to GraphQL's media types, as a browser's navigation does.

    Compares quality values (RFC 9110, section 12.5.1). No header, or `*/*`, has no preference.
    """
    qualities = read_qualities(accept_header or "*/*")
    html, *others = (rate(qualities, media_type)[0] for media_type in (HTML, JSON, GRAPHQL_RESPONSE))
    return html > max(others)


def read_asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, CONTENT_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (RFC 9110, 13.1.2: weak comparison)."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags
