"""The GraphiQL page and its assets: which browsers get it, what it holds, and how it is served."""

import hashlib
import html
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.web.explorer.fallback import render_fallback
from app.web.media_types import GRAPHQL_RESPONSE, JSON, read_qualities

FOLDER = Path(__file__).parent
VENDOR_FOLDER = FOLDER / "vendor"
OWN_NAMES = ("icon.svg", "init.js", "page.css")
VENDOR_NAMES = ("graphiql.min.css", "graphiql.min.js", "react-dom.production.min.js", "react.production.min.js")
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The one style element that GraphiQL writes into the page: it locks the scrolling behind an open menu or dialog.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
HEADERS_HINT = '# Requests need a token; write into the headers below:\n#   {"Authorization": "Bearer <token>"}\n'

logger = logging.getLogger("attendance.explorer")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page, held in memory with the tag that browsers revalidate it by."""

    content: bytes
    content_type: str
    etag: str


class Explorer:
    """GraphiQL on the GraphQL endpoint's own address, from files of this package alone."""

    def __init__(self, token: str | None, vendor: Path = VENDOR_FOLDER) -> None:
        """Read the page and its assets into memory.

        `token` is what the header editor starts with (demo mode), or None. Where `vendor` lacks GraphiQL's files,
        the page is Strawberry's own, which loads them from a CDN; that is logged once.
        """
        headers = json.dumps({"Authorization": f"Bearer {token}"}, indent=2) if token else ""
        first_query = (FOLDER / "first_query.graphql").read_text(encoding="utf-8")
        query = first_query if token else HEADERS_HINT + first_query
        self._assets = read_assets(vendor)
        if self._assets:
            self._page, self._policy = render_page(query, headers), PAGE_POLICY
        else:
            self._page, self._policy = render_fallback(query, headers)
            logger.warning(
                "GraphiQL is not bundled, its page loads from a CDN: install again with npm on PATH to bundle it"
            )

    @property
    def routes(self) -> list[Route]:
        """What the page loads: a closed set of names below `/graphql/explorer/`."""
        return [Route("/graphql/explorer/{name}", self.asset_response, methods=["GET"])]

    def page_response(self) -> Response:
        """The page itself; never cached, since it may hold a token."""
        return HTMLResponse(
            self._page,
            headers={
                "Content-Security-Policy": self._policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    async def asset_response(self, request: Request) -> Response:
        """One asset, or 304 when the browser holds it already, or 404."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return Response("Not Found", status_code=404, media_type="text/plain")
        headers = {
            "ETag": asset.etag,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if holds_current(request.headers.get("if-none-match"), asset.etag):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers={**headers, "Content-Type": asset.content_type})


def render_page(query: str, headers: str) -> str:
    """The page with the first query and the header editor's text, escaped for the attributes that hold them."""
    template = Template((FOLDER / "index.html").read_text(encoding="utf-8"))
    return template.substitute(query=html.escape(query), headers=html.escape(headers))


def read_assets(vendor: Path) -> Mapping[str, Asset]:
    """Every file that the page loads, by name; none at all when GraphiQL's own are missing from `vendor`."""
    paths = [FOLDER / name for name in OWN_NAMES] + [vendor / name for name in VENDOR_NAMES]
    if not all(path.is_file() for path in paths):
        return {}
    return {path.name: read_asset(path) for path in paths}


def read_asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, CONTENT_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def holds_current(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (RFC 9110, 13.1.2: weak comparison)."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags


def accepts_page(accept_header: str | None) -> bool:
    """Whether an Accept header prefers HTML to GraphQL's JSON, as that of a browser's address bar does.

    Compares quality values as RFC 9110, 12.5.1 has them. No header, or a plain `*/*`, prefers nothing.
    """
    qualities = read_qualities(accept_header or "*/*")
    return read_quality(qualities, "text/html") > max(
        read_quality(qualities, name) for name in (JSON, GRAPHQL_RESPONSE)
    )


def read_quality(qualities: Mapping[str, float], media_type: str) -> float:
    """The quality of the most specific range that covers `media_type`; 0 when none does."""
    ranges = (media_type, media_type.split("/")[0] + "/*", "*/*")
    return next((qualities[name] for name in ranges if name in qualities), 0.0)
