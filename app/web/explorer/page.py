"""The GraphiQL page and its assets: its content and its responses."""

import html
import json
import logging
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.web.pages import POLICY, Assets, not_found, respond_page, wants_page

FOLDER = Path(__file__).parent
VENDOR_FOLDER = FOLDER / "vendor"
# The order matters: GraphiQL's script needs React's.
VENDOR_NAMES = ("graphiql.min.css", "react.production.min.js", "react-dom.production.min.js", "graphiql.min.js")
CDN = "https://unpkg.com"
NOT_BUNDLED = f"GraphiQL is not bundled, its page loads it from {CDN}: install again with npm on PATH to bundle it"
OWN_NAMES = ("icon.svg", "init.js", "page.css")
TAB_FOLDER = FOLDER / "tabs"
LOADING = '<p class="notice">Loading GraphiQL …</p>'
# It stays until GraphiQL starts, so it must be true before and after the browser has given up.
LOADING_REMOTE = (
    f'<div class="notice"><p><strong>GraphiQL is not installed with this service, and is loaded from '
    f"{CDN}.</strong></p>"
    "<p>If it does not appear, your browser cannot load it from there. To bundle it with the service, install "
    "<code>npm</code>, and then install the service again:</p>"
    "<p><code>pip install --force-reinstall --no-deps .</code></p>"
    "<p>The API works without this page: send <code>POST /graphql</code> with any GraphQL client.</p></div>"
)
HEADERS_HINT = '# Requests need a token; write into the headers below:\n#   {"Authorization": "Bearer <token>"}\n'

logger = logging.getLogger("attendance.explorer")


class Explorer:
    """GraphiQL at the address of the GraphQL endpoint, served from files of this package."""

    def __init__(self, token: str | None, vendor: Path = VENDOR_FOLDER) -> None:
        """Read the page and its assets into memory.

        `token` is the initial token of the header editor (demo mode), or None. If `vendor` lacks GraphiQL's files,
        the page loads them from a CDN and says so; this is logged once. The policy blocks the one style element that
        GraphiQL writes, which stops the page behind a menu or dialog from scrolling.
        """
        headers = json.dumps({"Authorization": f"Bearer {token}"}, indent=2) if token else ""
        first, *others = read_tabs()
        tabs = [first if token else HEADERS_HINT + first, *others]
        names: Sequence[str] = ()
        if is_bundled(vendor):
            names, tags, notice = VENDOR_NAMES, list_bundled_tags(), LOADING
            self._policy = POLICY.format(cdn="")
        else:
            tags, notice = list_remote_tags(), LOADING_REMOTE
            self._policy = POLICY.format(cdn=f" {CDN}")
            logger.warning(NOT_BUNDLED)
        self._assets = Assets([*(FOLDER / name for name in OWN_NAMES), *(vendor / name for name in names)])
        self._page = render_page(tabs, headers, tags, notice)

    @property
    def routes(self) -> list[Route]:
        """The routes of the page's assets, and of the address with a slash, which leads to the page."""
        return [
            Route("/graphql/explorer/{name}", self._assets.respond, methods=["GET"]),
            Route("/graphql/", lead_to_page, methods=["GET", "POST"]),
        ]

    def page_response(self) -> Response:
        return respond_page(self._page, self._policy)


async def lead_to_page(request: Request) -> Response:
    """Redirect a browser from `/graphql/` to the page; for all others there is nothing here.

    The redirect is relative: behind a proxy the service does not know its own scheme, host and prefix.
    """
    if not wants_page(request):
        return not_found()
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=307, headers={"Location": f"../graphql{query}", "Cache-Control": "no-store"})


def read_tabs() -> list[str]:
    """The documents that GraphiQL's tabs start with, in the order of their files' names."""
    return [path.read_text(encoding="utf-8") for path in sorted(TAB_FOLDER.glob("*.graphql"))]


def is_bundled(vendor: Path = VENDOR_FOLDER) -> bool:
    """Whether the build brought all of GraphiQL's files."""
    return all((vendor / name).is_file() for name in VENDOR_NAMES)


def list_bundled_tags() -> list[str]:
    """The elements that load the files as this service serves them. The addresses are relative to the page's."""
    return [write_tag(f"graphql/explorer/{name}") for name in VENDOR_NAMES]


def list_remote_tags() -> list[str]:
    """The same for the files on a CDN, with the digests that the build checks them against."""
    pins = {pin["name"]: pin for pin in json.loads((FOLDER / "graphiql_files.json").read_text(encoding="utf-8"))}
    return [write_remote_tag(pins[name]) for name in VENDOR_NAMES]


def write_remote_tag(pin: dict[str, str]) -> str:
    digest = b64encode(bytes.fromhex(pin["sha256"])).decode()
    url = f"{CDN}/{pin['package']}@{pin['version']}/{pin['member']}"
    return write_tag(url, f' integrity="sha256-{digest}" crossorigin="anonymous"')


def write_tag(url: str, check: str = "") -> str:
    """The HTML element that loads a file; `check` has the attributes by which a browser checks its digest."""
    if url.endswith(".css"):
        return f'<link rel="stylesheet" href="{url}"{check}>'
    return f'<script defer src="{url}"{check}></script>'


def render_page(tabs: Sequence[str], headers: str, tags: Sequence[str], notice: str) -> str:
    """The page with its tabs' documents and the header editor's text, escaped for HTML attributes."""
    template = Template((FOLDER / "index.html").read_text(encoding="utf-8"))
    return template.substitute(
        query=html.escape(tabs[0]),
        tabs=html.escape(json.dumps(tabs)),
        headers=html.escape(headers),
        styles="\n    ".join(tag for tag in tags if tag.startswith("<link")),
        scripts="\n    ".join(tag for tag in tags if tag.startswith("<script")),
        notice=notice,
    )
