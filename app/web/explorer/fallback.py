"""The page for an installation without GraphiQL's files: Strawberry's own, which loads them from a CDN."""

import hashlib
import json
import re
from base64 import b64encode
from importlib.resources import files

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
REMOTE_ORIGIN = re.compile(r'(?:src|href)="(https://[^/"]+)/')


def render_fallback(query: str, headers: str) -> tuple[str, str]:
    """The page, starting with `query` and the header editor's text, and the Content-Security-Policy it can live with.

    The CDN's files are bound by the integrity hashes that the page gives for them. Its inline script is allowed by
    its digest; inline styles are allowed. GraphiQL's history keeps headers, so it is kept no longer than the tab.
    """
    page = files("strawberry").joinpath("static", "graphiql.html").read_text(encoding="utf-8")
    for old, new in (
        ("parameters.q ||", f"parameters.query || parameters.q || {write_literal(query)} ||"),
        ("React.useState(parameters.headers)", f"React.useState({write_literal(headers)})"),
        ("shouldPersistHeaders: true", "shouldPersistHeaders: false, storage: window.sessionStorage"),
        ("<title>Strawberry GraphiQL</title>", "<title>Attendance · GraphiQL</title>"),
    ):
        page = page.replace(old, new)
    return page, render_policy(page)


def write_literal(text: str) -> str:
    """A JavaScript string literal that can't end the script element around it."""
    return json.dumps(text).replace("<", "\\u003c")


def render_policy(page: str) -> str:
    """A policy for what `page` loads: scripts and styles of the origins it names, and its own inline script."""
    origins = " ".join(sorted(set(REMOTE_ORIGIN.findall(page))))
    digests = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in INLINE_SCRIPT.findall(page)]
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {origins} {scripts}; style-src {origins} 'unsafe-inline'; "
        f"img-src data:; font-src data: {origins}; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
