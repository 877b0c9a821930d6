"""Makes sure that two servers answer alike before they are measured, so that nothing is faked."""

from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from typing import Any

import orjson

from benchmarks.measuring import Probe

NUMBER = 0
SECONDS = 60


def verify_answers(title: str, probes: Sequence[Probe], records: int) -> None:
    """Send each the request of one number: all answers have the same data, which holds so many records.

    Raises RuntimeError when they differ.
    """
    answers = [fetch_data(probe) for probe in probes]
    counts = [sum(1 for _ in find_records(answer)) for answer in answers]
    if set(counts) != {records}:
        raise RuntimeError(f"{title}: {records} records were expected, and {counts} were answered")
    for probe, answer in zip(probes, answers, strict=True):
        if answer != answers[0]:
            raise RuntimeError(f"{title}: {probe.server.name} does not answer what {probes[0].server.name} does")


def fetch_data(probe: Probe) -> Any:
    """The data of an answer. Raises RuntimeError unless it is 200 and free of errors."""
    headers = {"Content-Type": "application/json"}
    if probe.token:
        headers["Authorization"] = f"Bearer {probe.token}"
    connection = HTTPConnection("127.0.0.1", probe.server.port, timeout=SECONDS)
    try:
        connection.request("POST", probe.path, orjson.dumps(probe.make_body(NUMBER)), headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    answer = orjson.loads(body)
    if response.status != 200 or answer.keys() != {"data"}:
        raise RuntimeError(f"{probe.server.name}{probe.path}: {response.status} {body[:300]!r}")
    return answer["data"]


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
