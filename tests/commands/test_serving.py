"""Serving: the demo in its first minute, several workers, and other commands beside a running one."""

import errno
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from app.attendance.demo import DEMO_SITES
from app.errors import ConfigurationError
from app.settings import load_settings
from app.web.metrics import share_metrics
from tests.support import commands
from tests.support.commands import COMMAND, ROOT, RunningService, environment, run_command, start_service
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, make_token

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
TOTAL = "{ attendances { totalCount } }"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = has_ipv6()


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        port: int = free.getsockname()[1]
        return port


def start(data_dir: Path, *arguments: str, **settings: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(data_dir, **{"JWT_SECRET": SECRET, **settings}),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def assert_served(process: "subprocess.Popen[bytes]", address: str, port: int) -> None:
    """Wait until connections to an address are accepted."""
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None
        try:
            socket.create_connection((address, port), timeout=5).close()
        except ConnectionError:
            assert time.monotonic() < deadline, address
            time.sleep(0.1)
        else:
            return


def ask(service: RunningService, token: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{service.url}/graphql",
        json.dumps({"query": query}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["data"]


def read_allowed_origin(service: RunningService, origin: str) -> str | None:
    """The origin that a preflight is told, if it is allowed."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    request = urllib.request.Request(f"{service.url}/graphql", headers=headers, method="OPTIONS")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            assert (response.status, response.read()) == (204, b"")
            allowed: str | None = response.headers["Access-Control-Allow-Origin"]
            return allowed
    except urllib.error.HTTPError as failure:
        if failure.code != 405:
            raise
        return None


def test_the_demo_serves_data_with_the_tokens_it_prints(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        printed = demo.output.read_text()
        read, write = re.findall(r"^(?:Read|Write) token +(\S+)$", printed, re.MULTILINE)
        assert f"{demo.url}/graphql" in printed
        for token, scope in ((read, READ_SCOPE), (write, WRITE_SCOPE)):
            assert jwt.decode(token, options={"verify_signature": False})["scope"] == scope
            assert ask(demo, token, TOTAL)["attendances"]["totalCount"] > 10_000
        page = urllib.request.Request(f"{demo.url}/graphql", headers={"Accept": "text/html"})
        with urllib.request.urlopen(page, timeout=10) as response:
            assert write in response.read().decode()
        assert read_allowed_origin(demo, demo.url) == demo.url
        assert read_allowed_origin(demo, demo.url.replace("127.0.0.1", "localhost")) is not None
        assert read_allowed_origin(demo, "https://evil.example") is None
        assert ask(demo, read, "{ __schema { queryType { name } } }")["__schema"]["queryType"]["name"] == "Query"


def test_the_demo_tells_what_it_does_and_what_to_do_next(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        printed = demo.output.read_text()
        claims = [jwt.decode(token, options={"verify_signature": False}) for token in set(TOKEN.findall(printed))]
        assert sorted((claim["site_id"], claim["scope"]) for claim in claims) == sorted(
            (str(site.site_id), scope) for site in DEMO_SITES for scope in (READ_SCOPE, WRITE_SCOPE)
        )
        [command] = re.findall(r"curl .*", printed)
        assert send_as_curl(command)["attendances"]["totalCount"] > 10_000
    before_address = printed[: printed.index(demo.url)]
    assert "Starting an embedded Postgres" in before_address
    assert str(tmp_path) in before_address
    assert re.search(r"Loaded [\d,]+ records", before_address)
    assert re.search(r"^To stop .*Ctrl-C", printed, re.MULTILINE)
    assert "attendance demo --reset" in printed


def send_as_curl(command: str) -> Any:
    """What the printed command asks, without the program: gives the data."""
    program, silent, url, *options = shlex.split(command)
    assert (program, silent) == ("curl", "-s")
    headers = dict(value.split(": ", 1) for name, value in batched(options) if name == "-H")
    [body] = [value for name, value in batched(options) if name == "-d"]
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=10) as response:
        return json.load(response)["data"]


def batched(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from zip(options[::2], options[1::2], strict=True)


def test_a_reset_replaces_the_demos_records_and_no_others(tmp_path: Path) -> None:
    site, other = str(DEMO_SITES[0].site_id), "0f0c0b1e-2a6b-4a53-9a5e-0d6b9f5d7c11"
    with start_service(tmp_path, "demo"):
        exported = run_command(tmp_path, "export", "--site", site).stdout
        changed = json.loads(exported.splitlines()[0]) | {"numberOfAttendees": 77}
        added = changed | {"_id": None, "sessionId": "mine"}
        content = "\n".join(map(json.dumps, (changed, added))).encode()
        run_command(tmp_path, "import", "-", "--format", "ndjson", "--site", site, content=content)
        run_command(tmp_path, "import", "-", "--format", "ndjson", "--site", other, content=json.dumps(added).encode())
        others = run_command(tmp_path, "export", "--site", other).stdout
    with start_service(tmp_path, "demo") as demo:
        assert "Loaded" not in demo.output.read_text()
        assert run_command(tmp_path, "export", "--site", site).stdout != exported
    with start_service(tmp_path, "demo", "--reset") as demo:
        assert "Replacing the demo's records" in demo.output.read_text()
        assert run_command(tmp_path, "export", "--site", site).stdout == exported
        assert run_command(tmp_path, "export", "--site", other).stdout == others != ""


def test_another_command_uses_the_running_server(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        site = DEMO_SITES[1].site_id
        token = run_command(tmp_path, "token", "--site", str(site)).stdout.strip()
        before = ask(demo, token, TOTAL)["attendances"]["totalCount"]
        exported = run_command(tmp_path, "export", "--site", str(site)).stdout
        assert len(exported.splitlines()) == before
        record = json.loads(exported.splitlines()[0]) | {"sessionId": "a new one", "_id": None}
        run_command(
            tmp_path, "import", "-", "--format", "ndjson", "--site", str(site), content=json.dumps(record).encode()
        )
        assert ask(demo, token, TOTAL)["attendances"]["totalCount"] == before + 1
    with start_service(tmp_path, "demo") as demo:
        assert ask(demo, token, TOTAL)["attendances"]["totalCount"] == before + 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_service_runs_on_a_given_database_and_stops_when_told(
    tmp_path: Path, database_url: str, workers: str
) -> None:
    with start_service(
        tmp_path, "serve", "--workers", workers, DATABASE_URL=database_url, JWT_SECRET=SECRET
    ) as service:
        token = make_token(DEMO_SITES[0].site_id, READ_SCOPE)
        assert ask(service, token, "{ __typename }") == {"__typename": "Query"}
        assert "totalCount" in ask(service, token, TOTAL)["attendances"]
        assert not (tmp_path / "embedded").exists()
        service.process.terminate()
        assert service.process.wait(timeout=20) == 0


def test_the_demo_keeps_the_origins_that_are_configured(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo", CORS_ORIGINS="http://localhost:5173") as demo:
        for origin in (demo.url, "http://localhost:5173"):
            assert read_allowed_origin(demo, origin) == origin


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"JWT_ISUER": "https://issuer"}, "the nearest one is ATTENDANCE_JWT_ISSUER"),
        ({"COMPILED": "off"}, "ATTENDANCE_COMPILED is not a setting"),
        ({"JWT_SECRET": "short"}, "ATTENDANCE_JWT_SECRET is shorter than 32 bytes"),
        ({"JWT_SECRET": f"{SECRET}\n"}, "ATTENDANCE_JWT_SECRET has white space at its ends"),
        ({"JWT_PUBLIC_KEY": "/etc/keys/public.pem"}, "ATTENDANCE_JWT_PUBLIC_KEY"),
        ({"JWKS_URL": "keys.example/jwks"}, "ATTENDANCE_JWKS_URL"),
        ({"JWT_SECRET": SECRET, "CORS_ORIGINS": "*, https://app.example"}, "ATTENDANCE_CORS_ORIGINS"),
        ({"JWT_SECRET": SECRET, "HOST": "no such host"}, "cannot listen on no such host"),
        ({"JWT_SECRET": SECRET, "HOST": "a..b"}, "cannot listen on a..b"),
    ],
    ids=str,
)
def test_what_is_wrong_ends_the_start_in_one_line(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    ended = run_command(tmp_path, "serve", **{"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", **settings})
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert named in line


def test_a_kept_secret_that_was_edited_badly_ends_the_start(tmp_path: Path) -> None:
    for secret, named in (("short", "shorter than 32 bytes"), (f"{SECRET}\n", "white space")):
        (tmp_path / "jwt-secret").write_text(secret)
        ended = run_command(tmp_path, "token", "--site", str(DEMO_SITES[0].site_id))
        assert ended.returncode == 2
        assert named in ended.stderr
        assert "jwt-secret" in ended.stderr


HOSTS = {
    "127.0.0.1": ("http://127.0.0.1:{}", ["127.0.0.1"]),
    "localhost": ("http://localhost:{}", ["127.0.0.1"]),
    "0.0.0.0": ("http://127.0.0.1:{}", ["127.0.0.1"]),  # noqa: S104
    **({"::": ("http://[::1]:{}", ["127.0.0.1", "::1"]), "::1": ("http://[::1]:{}", ["::1"])} if HAS_IPV6 else {}),
    **({"[::1]": ("http://[::1]:{}", ["::1"])} if HAS_IPV6 else {}),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("by_setting", [True, False])
def test_what_is_listened_on_is_printed_as_a_url(
    tmp_path: Path, database_url: str, host: str, *, by_setting: bool
) -> None:
    url, addresses = HOSTS[host]
    arguments = [] if by_setting else ["--host", host]
    settings = {"HOST": host} if by_setting else {"HOST": "127.0.0.9"}
    port = find_free_port()
    process = start(tmp_path, "serve", "--port", str(port), *arguments, DATABASE_URL=database_url, **settings)
    try:
        for address in addresses:
            assert_served(process, address, port)
        process.terminate()
        _, printed = process.communicate(timeout=20)
        assert f"Listening on {url.format(port)}, with 1 worker\n" in printed.decode()
    finally:
        process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_busy_port_is_told_with_what_to_do(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ended = run_command(
            tmp_path, "serve", "--port", str(port), "--workers", workers, DATABASE_URL=NOWHERE, JWT_SECRET=SECRET
        )
    assert ended.returncode == 2
    assert f"port {port}: Address already in use; choose another one with --port" in ended.stderr


def fail_on_full_disk(_descriptor: int, _offset: int, _size: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_workers_without_a_temporary_directory_are_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({})
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/none")
    with pytest.raises(ConfigurationError, match="TMPDIR"), share_metrics(settings, 2):
        pass
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(os, "posix_fallocate", fail_on_full_disk)
    with pytest.raises(ConfigurationError, match=r"No space left on device.*TMPDIR"), share_metrics(settings, 2):
        pass
    assert list(tmp_path.iterdir()) == []
    with share_metrics(settings, 1) as directory, share_metrics(replace(settings, metrics=False), 2) as other:
        assert directory is other is None


WITHOUT_TRACING = """
import sys
sys.modules["opentelemetry"] = None
from app.cli import main
main()
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_the_extra_a_standard_endpoint_is_one_warning(
    tmp_path: Path, database_url: str, workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "COMMAND", (sys.executable, "-c", WITHOUT_TRACING))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", "--workers", workers, **settings) as service:
        ask(service, make_token(DEMO_SITES[0].site_id, READ_SCOPE), TOTAL)
        printed = service.output.read_text()
    assert printed.count("OTEL_EXPORTER_OTLP_ENDPOINT is set: install attendance-graphql[tracing]") == 1
    for name, value in (("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")):
        with monkeypatch.context() as variables:
            variables.setenv(name, value)
            with start_service(tmp_path, "serve", "--workers", workers, **settings) as service:
                pass
            assert "attendance-graphql[tracing]" not in service.output.read_text()
    ended = run_command(tmp_path, "serve", "--workers", workers, OTLP_ENDPOINT="http://127.0.0.1:9", **settings)
    assert (ended.returncode, "attendance-graphql[tracing]" in ended.stderr) == (2, True)
