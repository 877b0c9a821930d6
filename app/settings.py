"""Every setting of the service, read once from `ATTENDANCE_*` variables into a frozen `Settings`."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.errors import ConfigurationError

PREFIX = "ATTENDANCE_"
WEB_URL = re.compile(r"https?://[^/\s]+")
NAMES_PORT = re.compile(r":[^:\]]*$")
TRUE_WORDS = frozenset({"on", "true", "yes", "1"})
FALSE_WORDS = frozenset({"off", "false", "no", "0"})
LOG_LEVELS = ("debug", "info", "warning", "error")
KEY_NAMES = ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service is told from outside; the README's configuration table describes each."""

    database_url: str | None = None
    data_dir: Path
    jwt_secret: str | None = None
    jwt_public_key: str | None = None
    jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    pool_size: int = 10
    row_security: bool = True
    introspection: bool = False
    explorer: bool = False
    explorer_token: str | None = None
    federation_scopes: bool = True
    document_cache_size: int = 1000
    max_body_bytes: int = 262_144
    max_document_tokens: int = 1000
    compiled: bool = True
    max_running: int = 20
    max_queued: int = 80
    site_share: int = 50
    log_level: str = "info"
    metrics: bool = True
    metrics_token: str | None = None
    metrics_dir: Path | None = None
    otlp_endpoint: str | None = None

    @property
    def has_key(self) -> bool:
        return any((self.jwt_secret, self.jwt_public_key, self.jwks_url))

    def as_environment(self) -> dict[str, str]:
        """The variables that `load_settings` reads these settings back from, for processes started by this one."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {PREFIX + name.upper(): write_value(value) for name, value in values.items() if value is not None}


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping such as `os.environ`; an empty value counts as unset.

    Without `DATABASE_URL` the service runs for its developer: embedded Postgres, introspection and explorer on.
    With it, it runs for the world: both stay off unless they are turned on.
    Raises ConfigurationError, naming the variable, for a value that cannot be used.
    """
    given = {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX) and value}
    keys = [PREFIX + name for name in KEY_NAMES if name in given]
    if len(keys) > 1:
        raise ConfigurationError(f"set one of {' and '.join(keys)}, not several: tokens are verified by one key")
    is_development = "DATABASE_URL" not in given
    pool_size = read_number(given, "POOL_SIZE", 10, at_most=1000)
    max_running = read_number(given, "MAX_RUNNING", 2 * pool_size, at_most=10_000)
    return Settings(
        database_url=read_database_url(given),
        data_dir=Path(given.get("DATA_DIR") or default_data_dir(environ)).absolute(),
        jwt_secret=given.get("JWT_SECRET"),
        jwt_public_key=given.get("JWT_PUBLIC_KEY"),
        jwks_url=given.get("JWKS_URL"),
        jwt_issuer=given.get("JWT_ISSUER"),
        jwt_audience=given.get("JWT_AUDIENCE"),
        pool_size=pool_size,
        row_security=read_switch(given, "ROW_SECURITY", default=True),
        introspection=read_switch(given, "INTROSPECTION", default=is_development),
        explorer=read_switch(given, "EXPLORER", default=is_development),
        explorer_token=given.get("EXPLORER_TOKEN"),
        federation_scopes=read_switch(given, "FEDERATION_SCOPES", default=True),
        document_cache_size=read_number(given, "DOCUMENT_CACHE_SIZE", 1000, at_most=100_000),
        max_body_bytes=read_number(given, "MAX_BODY_BYTES", 262_144, at_most=16 * 1024 * 1024),
        max_document_tokens=read_number(given, "MAX_DOCUMENT_TOKENS", 1000, at_most=100_000),
        compiled=read_switch(given, "COMPILED", default=True),
        max_running=max_running,
        max_queued=read_number(given, "MAX_QUEUED", 4 * max_running, at_most=100_000),
        site_share=read_number(given, "SITE_SHARE", 50, at_most=100),
        **read_watching(given, environ),
    )


def read_watching(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings of how the service is watched."""
    return {
        "log_level": read_choice(given, "LOG_LEVEL", LOG_LEVELS, "info"),
        "metrics": read_switch(given, "METRICS", default=True),
        "metrics_token": given.get("METRICS_TOKEN"),
        "metrics_dir": Path(given["METRICS_DIR"]).absolute() if "METRICS_DIR" in given else None,
        "otlp_endpoint": read_web_url(given, "OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
    }


def default_data_dir(environ: Mapping[str, str]) -> str:
    """Where the embedded Postgres and its key live: root's below /var/lib, where Postgres's own user can read."""
    if os.geteuid() == 0:
        return "/var/lib/attendance"
    share = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '')}/.local/share"
    return f"{share}/attendance"


def read_database_url(given: Mapping[str, str]) -> str | None:
    url = given.get("DATABASE_URL")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        ports = [
            host.rpartition(":")[2] for host in parts.netloc.rpartition("@")[2].split(",") if NAMES_PORT.search(host)
        ]
        is_usable = parts.scheme in ("postgresql", "postgres") and all(0 < int(port) < 65_536 for port in ports)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(f"{PREFIX}DATABASE_URL must be a URL such as postgresql://user@host:5432/database")
    return url


def read_switch(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if value.lower() in TRUE_WORDS:
        return True
    if value.lower() in FALSE_WORDS:
        return False
    raise ConfigurationError(f"{PREFIX}{name} must be on or off, not {value!r}")


def read_web_url(given: Mapping[str, str], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not WEB_URL.match(value):
        raise ConfigurationError(f"{PREFIX}{name} must be a URL such as http://collector:4318")
    return value


def read_choice(given: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    value = given.get(name, default).lower()
    if value not in choices:
        raise ConfigurationError(f"{PREFIX}{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def read_number(given: Mapping[str, str], name: str, default: int, *, at_most: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= at_most):
        raise ConfigurationError(f"{PREFIX}{name} must be a whole number from 1 to {at_most}, not {value!r}")
    return int(value)


def write_value(value: object) -> str:
    write: Callable[[object], str] = (lambda switch: "on" if switch else "off") if isinstance(value, bool) else str
    return write(value)
