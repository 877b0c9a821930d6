"""Settings: read once from variables, with one clear sentence for each that cannot be used."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import Settings, load_settings

URL = "postgresql://localhost/attendance"


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
        ("SITE_SHARE", "101"),
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


def test_only_one_kind_of_key_may_be_given() -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_JWT_SECRET and ATTENDANCE_JWKS_URL"):
        load_settings({"ATTENDANCE_JWT_SECRET": "secret", "ATTENDANCE_JWKS_URL": "https://keys.example"})


def test_an_empty_value_counts_as_unset() -> None:
    assert load_settings({"ATTENDANCE_JWT_ISSUER": "", "ATTENDANCE_POOL_SIZE": ""}).pool_size == 10


def test_what_may_run_and_wait_follows_the_size_of_the_pool() -> None:
    settings = load_settings({"ATTENDANCE_POOL_SIZE": "3"})
    assert (settings.max_running, settings.max_queued) == (6, 24)
    settings = load_settings({"ATTENDANCE_POOL_SIZE": "3", "ATTENDANCE_MAX_RUNNING": "4"})
    assert (settings.max_running, settings.max_queued) == (4, 16)


def test_settings_survive_the_way_to_another_process() -> None:
    settings = Settings(
        database_url=URL,
        data_dir=Path("/var/lib/attendance"),
        jwt_public_key="-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n",
        jwt_audience="attendance",
        pool_size=3,
        row_security=False,
        introspection=True,
        explorer=False,
        explorer_token="token",
        max_body_bytes=1000,
    )
    assert load_settings(settings.as_environment()) == settings
