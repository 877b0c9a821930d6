"""Runs the suites of reading, writing and changes on servers that are given.

    python -m tests.run_deployed postgresql://postgres@coordinator.internal/attendance
    python -m tests.run_deployed postgresql://postgres@primary/test --replica postgresql://postgres@replica/test
    python -m tests.run_deployed postgresql://postgres@primary/test --service postgresql://attendance_service@pooler/test

The tests make databases of their own beside the one that the URL names, and drop them. On a coordinator of Citus,
whose database must have the extension and its workers, they make them on all nodes, and have the service distribute
them. With a replica, which is a standby of the given server, queries read from it as they do in production, and the
last lines count the statements that it got. `--service` is how the service connects where that is not how its owner
does: through a pooler in session mode, by a role as docs/poolers.md has it. `--no-row-security` is for a pooler in
transaction mode. What rests on one server, such as row security or its table of locks, is skipped then, and counted.
Other arguments are for pytest, instead of all suites. For each option there is a setting, as `--help` tells.
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
    "tests/replicas/test_given_replica.py",
)
DESCRIBE = """
SELECT 'Postgres ' || current_setting('server_version')
    || coalesce((SELECT ', Citus ' || extversion FROM pg_extension WHERE extname = 'citus'), '')
    || CASE WHEN pg_is_in_recovery() THEN ', a standby' ELSE '' END
"""
# What is given, the setting that it stands for, and what it is.
SERVERS = {
    "url": ("ATTENDANCE_TEST_DATABASE_URL", "a database of the server, by a user that may create others"),
    "service": ("ATTENDANCE_TEST_SERVICE_URL", "how the service connects to it, if that differs"),
    "replica": ("ATTENDANCE_TEST_REPLICA_URL", "where the service reads"),
}


async def describe_server(url: str) -> str:
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        description: str = await connection.fetchval(DESCRIBE)
        return description
    finally:
        await connection.close()


def read_arguments() -> argparse.Namespace:
    """The URL of each server, None where there is none, and what is for pytest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    helps = {name: f"{meaning}; default: {setting}" for name, (setting, meaning) in SERVERS.items()}
    parser.add_argument("rest", nargs="*", metavar="[URL] ARGUMENT", help=helps["url"])
    parser.add_argument("--service", metavar="URL", help=helps["service"])
    parser.add_argument("--replica", metavar="URL", help=helps["replica"])
    parser.add_argument("--no-row-security", action="store_true", help="for a pooler that shares sessions")
    given = parser.parse_intermixed_args()
    given.url = given.rest.pop(0) if given.rest and "://" in given.rest[0] else None
    for name, (setting, _) in SERVERS.items():
        setattr(given, name, getattr(given, name) or os.environ.get(setting))
    if given.url is None:
        parser.error(f"name a server: by an argument, or by {SERVERS['url'][0]}")
    return given


def main() -> int:
    given = read_arguments()
    for name, (setting, _) in SERVERS.items():
        if (url := getattr(given, name)) is not None:
            os.environ[setting] = url
            description = asyncio.run(describe_server(url))
            sys.stdout.write(f"{name}: {description}\n")
            sys.stdout.flush()
            if "Citus" in description and given.replica is not None:
                sys.exit("the service reads from no replica of a Citus cluster")
    if given.no_row_security:
        os.environ["ATTENDANCE_TEST_ROW_SECURITY"] = "off"
    return int(pytest.main(["-q", *(given.rest or SUITES)]))


if __name__ == "__main__":
    sys.exit(main())
