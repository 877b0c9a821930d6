"""PgBouncer before a Postgres of this machine, in the pool mode that a test asks for."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.servers import find_account, start_server

START_SECONDS = 20
SEARCH_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {pool_size}
ignore_startup_parameters = {ignored}
query_wait_timeout = 5
server_login_retry = 1
{more}
"""


def find_pgbouncer() -> str:
    """The program; the test is skipped where there is none."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=SEARCH_PATH)
    if program is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    return program


def read_version() -> tuple[int, ...]:
    """The version of the program, such as (1, 18, 0)."""
    told = subprocess.run([find_pgbouncer(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, told.split()[1].split(".")[:3]))


@contextmanager
def run_pgbouncer(
    url: str,
    *,
    mode: str = "session",
    ignored: Sequence[str] = (),
    users: Sequence[str] = ("postgres",),
    pool_size: int = 20,
    more: str = "",
) -> Iterator[str]:
    """Yield the URL of the same database by way of PgBouncer. `ignored` are startup parameters that it drops.

    The settings in `more` replace those that have the same name.
    """
    program = find_pgbouncer()
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if "host" not in options:
        pytest.skip("needs a Postgres with a socket on this machine")
    open_home(Path(options["host"][0]).parent)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "users").write_text("".join(f'"{user}" ""\n' for user in users))
        (place / "ini").write_text(
            CONFIGURATION.format(
                host=options["host"][0],
                port=options.get("port", ["5432"])[0],
                listen_port=port,
                users=place / "users",
                mode=mode,
                pool_size=pool_size,
                ignored=", ".join(ignored),
                more=more,
            )
        )
        with (place / "log").open("wb") as log:
            process = start_server([program, str(place / "ini")], find_account(), log)
        try:
            wait_until_listening(process, port, place / "log")
            yield f"postgresql://{users[0]}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        finally:
            process.kill()
            process.wait()


def open_home(directory: Path) -> None:
    """Let PgBouncer, which refuses root, enter the private directory that root's embedded Postgres is in."""
    if find_account() and directory.stat().st_mode & 0o777 == 0o700:
        directory.chmod(0o711)


def wait_until_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"PgBouncer does not listen: {log.read_text()}")
