"""The process that owns the embedded Postgres, and runs while commands hold a connection to it.

The first command starts it as `python -m app.database.embedded.supervisor HOME INSTALLATION`, in HOME, with the lock
inherited and the log as its output.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from app.database.embedded import postgres

# The signals that stop Postgres, with the seconds to wait after each: fast shutdown, immediate shutdown, kill.
STOP_SIGNALS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
# Postgres runs in the directory of its data, so its socket is there, however long the path is.
SOCKET_DIRECTORY = "."
OPTIONS = (
    *(f"--unix_socket_directories={SOCKET_DIRECTORY}", "--unix_socket_permissions=0700", "--port=5432"),
    *("--listen_addresses=", "--max_connections=100"),
)


def main() -> None:
    home, installation, control = Path(sys.argv[1]), Path(sys.argv[2]), Path(postgres.CONTROL_SOCKET)
    os.umask(0o077)
    control.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control))
    listener.listen()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("the supervisor of the embedded Postgres received SIGTERM"))
    listener.settimeout(10)
    reason, clients = "", [listener.accept()[0]]
    log = home / postgres.LOG_NAME
    written_before = log.stat().st_size
    try:
        run_postgres(home, installation, listener, clients)
    except (Exception, SystemExit) as error:
        reason = postgres.explain(home, error, log.read_bytes()[written_before:].decode(errors="replace"))
        send(clients, reason.encode())
    with contextlib.suppress(FileNotFoundError):  # Home itself may be gone, and another one in its place.
        control.unlink()
        if (link := postgres.shorten(home)) != home:
            link.unlink()
    sys.exit(reason or 0)


def run_postgres(home: Path, installation: Path, listener: socket.socket, clients: list[socket.socket]) -> None:
    """Run Postgres on the data in `home`, which is created if need be, while there are clients.

    Raises CalledProcessError when one of its programs fails; the log says why.
    """
    home.chmod(0o700)
    cluster = home / postgres.CLUSTER_NAME
    account = postgres.choose_account(cluster)
    programs = postgres.ensure_programs(installation, account)
    postgres.ensure_cluster(cluster, programs, account)
    # We hold the lock, so a pid file of ours is of a killed run, and its pid may be another program's by now. A server
    # that somebody else started on our data has its socket elsewhere.
    if postgres.read_pid_file(cluster)[4:5] in ([], [SOCKET_DIRECTORY]):
        for name in ("postmaster.pid", f"{postgres.POSTGRES_SOCKET}.lock", postgres.POSTGRES_SOCKET):
            (cluster / name).unlink(missing_ok=True)
    process = postgres.start_program([f"{programs}/bin/postgres", *OPTIONS], account, cluster)
    pipe: Any = process.stdin
    try:
        while postgres.read_pid_file(cluster)[7:8] != ["ready"]:
            if process.poll() is not None:
                raise subprocess.CalledProcessError(process.returncode, process.args)
            time.sleep(0.01)
        serve(listener, pipe, clients)
    finally:
        for number, seconds in STOP_SIGNALS:
            process.send_signal(number)
            if select.select([pipe], [], [], seconds)[0]:
                break


def serve(listener: socket.socket, liveness_pipe: Any, clients: list[socket.socket]) -> None:
    """Accept clients until the last of them leaves, or Postgres ends.

    Every process of Postgres inherits the other end of the pipe, so ours is readable when all of them have ended.
    A client that leaves waits for the end of its connection: for the last one that is the end of this process.
    """
    send(clients, postgres.READY)
    while True:
        for source in select.select([listener, liveness_pipe, *clients], [], [])[0]:
            if source is listener:
                clients.append(listener.accept()[0])
                send(clients[-1:], postgres.READY)
            elif source is liveness_pipe or len(clients) == 1:
                return
            else:
                clients.remove(source)
                source.close()


def send(clients: list[socket.socket], message: bytes) -> None:
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(message)


if __name__ == "__main__":
    main()
