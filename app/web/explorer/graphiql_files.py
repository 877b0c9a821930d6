"""GraphiQL's files: whether they are bundled with this installation, and where a page finds them."""

import json
from base64 import b64encode
from pathlib import Path

FOLDER = Path(__file__).parent
VENDOR_FOLDER = FOLDER / "vendor"
# The order matters: GraphiQL's script needs React's.
VENDOR_NAMES = ("graphiql.min.css", "react.production.min.js", "react-dom.production.min.js", "graphiql.min.js")
CDN = "https://unpkg.com"
NOT_BUNDLED = f"GraphiQL is not bundled, its page loads it from {CDN}: install again with npm on PATH to bundle it"


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
