"""Settings: read once from variables, with one clear sentence for each that cannot be used."""

from dataclasses import fields

import pytest

from app.errors import ConfigurationError
from app.settings import READERS, Settings, load_settings

URL = "postgresql://localhost/attendance"
SECRET = "a secret of the tests, long enough for HS256"


def test_without_a_database_the_service_runs_for_its_developer() -> None:
    settings = load_settings({"HOME": "/home/someone"})
    assert (settings.database_url, settings.introspection, settings.explorer) == (None, True, True)
    assert settings.row_security


def test_with_a_database_everything_is_closed_unless_opened() -> None:
    settings = load_settings({"ATTENDANCE_DATABASE_URL": URL})
    assert (settings.introspection, settings.explorer, settings.explorer_token) == (False, False, None)
    opened = load_settings({"ATTENDANCE_DATABASE_URL": URL, "ATTENDANCE_INTROSPECTION": "on"})
    assert (opened.introspection, opened.explorer) == (True, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://localhost/attendance"),
        ("REPLICA_URL", "mysql://localhost/attendance"),
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "1001"),
        ("POOL_SIZE", "ten"),
        ("POOL_SIZE", "²"),
        ("ROW_SECURITY", "perhaps"),
        ("INTROSPECTION", "2"),
        ("MAX_BODY_BYTES", "-1"),
        ("HOST", "::1 "),
        ("JWT_SECRET", "x" * 31),
        ("JWT_SECRET", "é" * 15),
        ("JWT_SECRET", f"{SECRET}\n"),
        ("JWT_SECRET", f" {SECRET}"),
        ("JWT_SECRET", " " * 40),
        ("JWT_ISSUER", "https://issuer\n"),
        ("METRICS_TOKEN", " token"),
        ("LOG_LEVEL", "loud"),
        ("OTLP_ENDPOINT", "collector:4318"),
        ("OTLP_ENDPOINT", "http://collector:4318\n"),
        # Names that are not settings, some of which were until version 0.1.
        ("JWT_ISUER", "https://issuer"),
        ("jwt_secret", SECRET),
        ("", "x"),
        ("MAX_IN_VALUES", "10"),
        ("MAX_VARIABLE_VALUES", "10"),
        ("MAX_DOCUMENT_CHARACTERS", "10"),
        ("METRICS_DIR", "/var/run"),
        ("COMPILED", "on"),
        ("DOCUMENT_CACHE_SIZE", "10"),
        ("SITE_SHARE", "50"),
        ("SERVICE", "x"),
        ("PORT_OF_THE_DATABASE", "5432"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"ATTENDANCE_{name}"):
        load_settings({f"ATTENDANCE_{name}": value})


def test_a_replica_is_nothing_without_its_primary() -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_DATABASE_URL"):
        load_settings({"ATTENDANCE_REPLICA_URL": URL})
    environ = {"ATTENDANCE_DATABASE_URL": URL, "ATTENDANCE_REPLICA_URL": f"{URL}_replica"}
    assert load_settings(environ).replica_url == f"{URL}_replica"


def test_a_distributed_database_has_a_url_and_no_row_security() -> None:
    with pytest.raises(ConfigurationError, match="set ATTENDANCE_DATABASE_URL"):
        load_settings({"ATTENDANCE_DISTRIBUTED": "on"})
    environ = {"ATTENDANCE_DATABASE_URL": URL, "ATTENDANCE_DISTRIBUTED": "on"}
    with pytest.raises(ConfigurationError, match="ATTENDANCE_ROW_SECURITY, or set it to off"):
        load_settings({**environ, "ATTENDANCE_ROW_SECURITY": "on"})
    with pytest.raises(ConfigurationError, match="unset ATTENDANCE_REPLICA_URL"):
        load_settings({**environ, "ATTENDANCE_REPLICA_URL": URL})
    for given in (environ, {**environ, "ATTENDANCE_ROW_SECURITY": "off"}):
        assert (load_settings(given).distributed, load_settings(given).row_security) == (True, False)
    assert load_settings({**environ, "ATTENDANCE_DISTRIBUTED": "off"}).row_security


def test_only_one_kind_of_key_may_be_given() -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_JWT_SECRET and ATTENDANCE_JWKS_URL"):
        load_settings({"ATTENDANCE_JWT_SECRET": SECRET, "ATTENDANCE_JWKS_URL": "https://keys.example"})


def test_an_empty_value_counts_as_unset() -> None:
    assert load_settings({"ATTENDANCE_JWT_ISSUER": "", "ATTENDANCE_POOL_SIZE": ""}).pool_size == 10


def test_what_may_run_and_wait_follows_the_size_of_the_pool() -> None:
    settings = load_settings({"ATTENDANCE_POOL_SIZE": "3"})
    assert (settings.max_running, settings.max_queued) == (6, 24)
    settings = load_settings({"ATTENDANCE_POOL_SIZE": "3", "ATTENDANCE_MAX_RUNNING": "4"})
    assert (settings.max_running, settings.max_queued) == (4, 16)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("JWT_ISUER", "JWT_ISSUER"), ("MAX_RUNING", "MAX_RUNNING"), ("DATABSE_URL", "DATABASE_URL")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    message = f"ATTENDANCE_{name} is not a setting; the nearest one is ATTENDANCE_{nearest}$"
    with pytest.raises(ConfigurationError, match=message):
        load_settings({f"ATTENDANCE_{name}": "x"})


@pytest.mark.parametrize("service", ["", "DB_", "POSTGRES_PRIMARY_"])
def test_what_kubernetes_sets_for_a_service_is_no_setting(service: str) -> None:
    names = (
        *("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "SERVICE_PORT_HTTP_METRICS", "PORT"),
        *("PORT_8000_TCP", "PORT_8000_TCP_PROTO", "PORT_8000_TCP_PORT", "PORT_8000_TCP_ADDR", "PORT_53_UDP_ADDR"),
    )
    environ = {f"ATTENDANCE_{service}{name}": "tcp://10.0.0.1:8000" for name in names}
    assert load_settings({**environ, "HOME": "/home/someone"}) == load_settings({"HOME": "/home/someone"})


def test_secrets_of_32_bytes_are_taken() -> None:
    for secret in ("x" * 32, "é" * 16, SECRET):
        assert load_settings({"ATTENDANCE_JWT_SECRET": secret}).jwt_secret == secret


def test_each_setting_is_read_from_its_variable() -> None:
    assert sorted(READERS) == sorted(field.name.upper() for field in fields(Settings))


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_SDK_DISABLED": " TRUE"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SDK_DISABLED": "true", "ATTENDANCE_OTLP_ENDPOINT": "http://ours"},
        {"OTEL_TRACES_EXPORTER": "None", "ATTENDANCE_OTLP_ENDPOINT": "http://ours"},
    ],
    ids=str,
)
def test_traces_are_off_where_opentelemetrys_variables_say_so(variables: dict[str, str]) -> None:
    assert load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs", **variables}).otlp_endpoint is None


@pytest.mark.parametrize("variables", [{"OTEL_SDK_DISABLED": "false"}, {"OTEL_TRACES_EXPORTER": "otlp"}], ids=str)
def test_traces_stay_on_otherwise(variables: dict[str, str]) -> None:
    endpoint = "http://theirs"
    assert load_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **variables}).otlp_endpoint == endpoint


@pytest.mark.parametrize("name", ["ATTENDANCE_COMPILED", "ATTENDANCE_MAX_IN_VALUES", "ATTENDANCE_METRICS_DIR"])
def test_settings_that_are_gone_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not a setting"):
        load_settings({name: "10"})
