"""Makes sure that two servers answer alike before they are measured, so that nothing is faked."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

import orjson

from benchmarks.measuring import Probe

CURSOR_FIELDS = ("cursor", "startCursor", "endCursor")
SECONDS = 60


def verify_answers(title: str, probes: Sequence[Probe], records: int, number: int = 0) -> None:
    """Send each the request of this number: all answers have the same data, which holds so many records.

    Only cursors may differ. Raises RuntimeError when anything else does.
    """
    answers = [hide_cursors(fetch_data(probe, number)) for probe in probes]
    counts = [sum(1 for _ in find_records(answer)) for answer in answers]
    if set(counts) != {records}:
        raise RuntimeError(f"{title}: {records} records were expected, and {counts} were answered")
    for probe, answer in zip(probes, answers, strict=True):
        if answer != answers[0]:
            raise RuntimeError(f"{title}: {probe.server.name} does not answer what {probes[0].server.name} does")


def verify_refusal(probe: Probe) -> None:
    """Send one request. Raises RuntimeError unless its one error names the probe's argument."""
    status, body = fetch_answer(probe)
    errors = orjson.loads(body).get("errors", [])
    named = [error["extensions"] for error in errors]
    if status != HTTPStatus.OK or named != [{"code": "BAD_USER_INPUT", "argument": probe.argument}]:
        raise RuntimeError(f"{probe.server.name}{probe.path}: {status} {body[:300]!r}")


def fetch_data(probe: Probe, number: int = 0) -> Any:
    """The data of an answer. Raises RuntimeError unless it is 200 and free of errors."""
    status, body = fetch_answer(probe, number)
    answer = orjson.loads(body)
    if status != HTTPStatus.OK or answer.keys() != {"data"}:
        raise RuntimeError(f"{probe.server.name}{probe.path}: {status} {body[:300]!r}")
    return answer["data"]


def fetch_answer(probe: Probe, number: int = 0) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    if probe.tokens:
        headers["Authorization"] = f"Bearer {probe.tokens[number]}"
    connection = HTTPConnection("127.0.0.1", probe.server.port, timeout=SECONDS)
    try:
        connection.request("POST", probe.path, orjson.dumps(probe.make_body(number)), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def hide_cursors(data: Any) -> Any:
    """The data with whether there is a cursor in place of each cursor."""
    if isinstance(data, dict):
        return {name: bool(value) if name in CURSOR_FIELDS else hide_cursors(value) for name, value in data.items()}
    return [hide_cursors(each) for each in data] if isinstance(data, list) else data


def find_records(data: Any) -> Iterator[dict[str, Any]]:
    """What has a status, wherever it lies."""
    if isinstance(data, dict):
        if "status" in data:
            yield data
        for value in data.values():
            yield from find_records(value)
    elif isinstance(data, list):
        for value in data:
            yield from find_records(value)
