"""GraphiQL's files: whether they are bundled with this installation, and where a page finds them."""

import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
VENDOR_FOLDER = FOLDER / "vendor"
# The order matters: GraphiQL's script needs React's.
VENDOR_NAMES = ("graphiql.min.css", "react.production.min.js", "react-dom.production.min.js", "graphiql.min.js")
CDN = "https://unpkg.com"
NOT_BUNDLED = f"GraphiQL is not bundled, its page loads it from {CDN}: install again with npm on PATH to bundle it"


@dataclass(frozen=True, slots=True)
class PageFile:
    """Where the page loads one of GraphiQL's files from; `integrity` is the digest that a browser checks, or empty."""

    url: str
    integrity: str = ""

    @property
    def tag(self) -> str:
        """The HTML element that loads the file."""
        checked = f' integrity="{self.integrity}" crossorigin="anonymous"' if self.integrity else ""
        if self.url.endswith(".css"):
            return f'<link rel="stylesheet" href="{self.url}"{checked}>'
        return f'<script defer src="{self.url}"{checked}></script>'


def is_bundled(vendor: Path = VENDOR_FOLDER) -> bool:
    """Whether the build brought all of GraphiQL's files."""
    return all((vendor / name).is_file() for name in VENDOR_NAMES)


def list_bundled_sources() -> list[PageFile]:
    """The files as this service serves them. The addresses are relative to the page's."""
    return [PageFile(f"graphql/explorer/{name}") for name in VENDOR_NAMES]


def list_remote_sources() -> list[PageFile]:
    """The same files on a CDN, with the digests that the build checks them against."""
    pins = {pin["name"]: pin for pin in json.loads((FOLDER / "graphiql_files.json").read_text(encoding="utf-8"))}
    return [locate_remote(pins[name]) for name in VENDOR_NAMES]


def locate_remote(pin: dict[str, str]) -> PageFile:
    digest = b64encode(bytes.fromhex(pin["sha256"])).decode()
    return PageFile(f"{CDN}/{pin['package']}@{pin['version']}/{pin['member']}", f"sha256-{digest}")
