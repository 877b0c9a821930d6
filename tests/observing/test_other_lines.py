"""What the service's modules and its libraries log goes the same way as the operations: JSON, and no values."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import asyncpg
import pytest

from app.documents.errors import format_unforeseen
from app.observing.logs import build_handler, describe_failure
from app.observing.output import LineOutput
from tests.support.watching import LogReader, open_pipe


@pytest.fixture
def log() -> Iterator[LogReader]:
    """What the loggers of the service write."""
    logger = logging.getLogger("attendance")
    with open_pipe() as (writing, reader):
        handler = build_handler(LineOutput(writing), for_terminal=False)
        logger.addHandler(handler)
        yield reader
        logger.removeHandler(handler)


def test_a_module_logs_json(log: LogReader) -> None:
    logging.getLogger("attendance.keys").warning("the key set cannot be fetched: %s", "refused\nagain")
    [line] = log.lines()
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() is not None
    assert line == {
        "level": "warning",
        "logger": "attendance.keys",
        "event": "the key set cannot be fetched: refused\nagain",
    }


def test_an_unforeseen_failure_is_one_line_with_its_id_and_stack(log: LogReader) -> None:
    def break_down() -> None:
        raise KeyError("missing")

    try:
        break_down()
    except KeyError as failure:
        shown = format_unforeseen(failure)
    [line] = log.lines()
    assert line["error_id"] == shown["extensions"]["errorId"]
    assert (line["level"], line["logger"]) == ("error", "attendance.operations")
    assert "break_down" in line["stack"]
    assert line["stack"].endswith("builtins.KeyError: 'missing'")


@pytest.mark.parametrize(
    "statement",
    ["SELECT $1::integer", "SELECT $1::text::integer"],
    ids=["refused by the driver", "refused by Postgres"],
)
async def test_a_stack_tells_what_the_driver_raised_but_no_value(database_url: str, statement: str) -> None:
    value = "".join(["hu", "sh"])  # As it is, it stands in no line of the source.
    connection = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.DataError, match=value) as raised:
        await connection.fetch(statement, value)
    await connection.close()
    try:
        raise RuntimeError("it went on") from raised.value
    except RuntimeError as failure:
        stack = describe_failure(failure)
    assert value not in stack
    assert "asyncpg.exceptions." in stack
    assert stack.endswith("builtins.RuntimeError: it went on")


def test_an_error_of_the_driver_without_a_state_is_told_by_its_kind() -> None:
    assert describe_failure(asyncpg.InterfaceError("hush")).endswith("InterfaceError")


def test_lines_are_readable_json_whatever_is_logged(log: LogReader) -> None:
    logging.getLogger("attendance.x").warning("%s", "\x1b[31m\0\u2028 \ud800".encode("utf-8", "replace"))
    assert json.loads(log.read())["logger"] == "attendance.x"
