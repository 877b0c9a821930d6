"""Runs the suites of reading, writing and changes on a server that is given: a coordinator, a pooler, a primary.

    python -m tests.run_deployed postgresql://postgres@coordinator.internal/attendance

On a coordinator of Citus, whose database must have the extension and its workers, the tests make databases on all
nodes and have the service distribute them. `--no-row-security` is for a pooler in transaction mode. What rests on one
server, such as row security or its table of locks, is skipped then, and counted. What follows `--` is for pytest.
"""

import argparse
import asyncio
import os
import sys

import asyncpg
import pytest

SUITES = (
    "tests/reading",
    "tests/writing",
    "tests/changes",
    "tests/operations/test_one_engine.py",
    "tests/transfer/test_transfer_storing.py",
    "tests/database/test_distribution.py",
)
DESCRIBE = """
SELECT 'Postgres ' || current_setting('server_version')
    || coalesce((SELECT ', Citus ' || extversion FROM pg_extension WHERE extname = 'citus'), '')
"""


async def describe_server(url: str) -> str:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        description: str = await connection.fetchval(DESCRIBE)
        return description
    finally:
        await connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="a database of the server, by a user that may create others")
    parser.add_argument("--no-row-security", action="store_true", help="for a pooler that shares sessions")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, instead of all suites")
    given = parser.parse_intermixed_args()
    sys.stdout.write(f"{asyncio.run(describe_server(given.url))}\n")
    sys.stdout.flush()
    os.environ["ATTENDANCE_TEST_DATABASE_URL"] = given.url
    if given.no_row_security:
        os.environ["ATTENDANCE_TEST_ROW_SECURITY"] = "off"
    return int(pytest.main(["-q", *(given.pytest or SUITES)]))


if __name__ == "__main__":
    sys.exit(main())
