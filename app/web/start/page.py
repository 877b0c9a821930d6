"""The start page at `/` and its assets."""

import html
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.web.pages import POLICY, Assets, not_found, respond_page, wants_page

FOLDER = Path(__file__).parent
VENDOR_FOLDER = FOLDER / "vendor"
OWN_NAMES = ("page.css", *(path.name for path in FOLDER.glob("*.js")))
CHART_NAMES = ("uPlot.min.css", "uPlot.iife.min.js")
CHART_TAGS = (
    '<link rel="stylesheet" href="start/uPlot.min.css">\n    <script defer src="start/uPlot.iife.min.js"></script>'
)


class StartPage:
    """The page and its assets in memory. Without the chart's files it shows tables alone."""

    def __init__(self, token: str | None, vendor: Path = VENDOR_FOLDER) -> None:
        """`token` is the one that the page begins with (demo mode), or None: then the page asks for one."""
        names = CHART_NAMES if all((vendor / name).is_file() for name in CHART_NAMES) else ()
        self._assets = Assets([*(FOLDER / name for name in OWN_NAMES), *(vendor / name for name in names)])
        template = Template((FOLDER / "index.html").read_text(encoding="utf-8"))
        self._page = template.substitute(token=html.escape(token or ""), chart=CHART_TAGS if names else "")

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/", self.respond, methods=["GET", "POST"]),
            Route("/start/{name}", self._assets.respond, methods=["GET"]),
        ]

    async def respond(self, request: Request) -> Response:
        """The page for a browser; for all others there is nothing here."""
        return respond_page(self._page, POLICY.format(cdn="")) if wants_page(request) else not_found()
