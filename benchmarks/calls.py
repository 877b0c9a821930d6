"""`python -m benchmarks.calls`: counts the Python calls of a warm page above the database, by file.

The application runs in this process, on an embedded Postgres, behind a stub of the ASGI server. Calls are counted as
`sys.setprofile` reports them, so a coroutine that resumes after it has waited for Postgres counts again.
"""

import asyncio
import os
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from app.attendance.demo import DEMO_SITES
from app.attendance.transfer.site import load_demo
from app.database.embedded import run_embedded_postgres
from app.database.migrations import migrate
from app.database.pool import Database
from app.settings import Settings, load_settings
from app.web.application import Application, build_application
from app.web.auth.tokens import issue_token

ROOT = Path(__file__).parents[1]
APP = f"{ROOT / 'app'}{os.sep}"
DATABASE = f"{ROOT / 'app' / 'database'}{os.sep}"
SECRET = "a secret of the benchmarks, long enough for HS256"  # noqa: S105
SCOPE = "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE"
WARM_UPS = 20
PAGE = """{
  attendances(first: 50) {
    nodes { id bookingId sessionId status numberOfAttendees }
    pageInfo { hasNextPage endCursor }
  }
}"""


class CallCounter:
    """Counts the calls of Python functions in `app/`, except in `app/database`, by file and function."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(APP) and not name.startswith(DATABASE):
            self.calls[name.removeprefix(f"{ROOT}{os.sep}"), frame.f_code.co_qualname] += 1


async def ask_page(application: Application, token: str) -> bytes:
    """The body of the answer to one request for the page."""
    body = orjson.dumps({"query": PAGE})
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"accept", b"application/graphql-response+json"),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
    sent: list[dict[str, Any]] = []

    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()  # The client stays.
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    answer: bytes = sent[1]["body"]
    return answer


async def count_calls(settings: Settings) -> Counter[tuple[str, str]]:
    """The calls of one request, after others like it."""
    assert settings.database_url is not None
    database = Database(settings.database_url, pool_size=1, row_security=True)
    application = build_application(settings, database)
    token = issue_token(settings, DEMO_SITES[0].site_id, [SCOPE], hours=1)
    await migrate(settings.database_url, row_security=True)
    await database.open()
    try:
        await load_demo(database)
        for _ in range(WARM_UPS):
            await ask_page(application, token)
        counter = CallCounter()
        sys.setprofile(counter.profile)
        try:
            answer = await ask_page(application, token)
        finally:
            sys.setprofile(None)
        assert len(orjson.loads(answer)["data"]["attendances"]["nodes"]) == 50
        return counter.calls
    finally:
        await database.close()


def render_calls(calls: Counter[tuple[str, str]]) -> str:
    """A line for each file with its functions, and the totals."""
    files = Counter[str]()
    for (file, _), count in calls.items():
        files[file] += count
    lines = []
    for file, count in sorted(files.items()):
        functions = (f"{name}{f' x{times}' * (times > 1)}" for (own, name), times in calls.items() if own == file)
        lines.append(f"{count:4} {file}: {', '.join(functions)}")
    return "\n".join([*lines, f"{calls.total():4} calls in {len(files)} files of app/ above the database"])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="attendance-calls-") as folder:
        Path(folder).chmod(0o755)  # Where this runs as root, Postgres runs as another user.
        with run_embedded_postgres(Path(folder)) as url:
            settings = replace(load_settings({}), database_url=url, jwt_secret=SECRET, explorer=False)
            sys.stdout.write(render_calls(asyncio.run(count_calls(settings))) + "\n")


if __name__ == "__main__":
    main()
