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
TEXTS = ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE", "EXPLORER_TOKEN")
# The most that each number can be.
NUMBERS = {
    "POOL_SIZE": 1000,
    "DOCUMENT_CACHE_SIZE": 100_000,
    "MAX_BODY_BYTES": 16 * 1024 * 1024,
    "MAX_DOCUMENT_TOKENS": 100_000,
    "MAX_DOCUMENT_CHARACTERS": 16 * 1024 * 1024,
    "MAX_DEPTH": 100,
    "MAX_ALIASES": 10_000,
    "MAX_COST": 100_000_000,
    "MAX_VARIABLE_VALUES": 1_000_000,
    "MAX_IN_VALUES": 10_000,
    "SITE_SHARE": 100,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service is told from outside; the README's configuration table describes each."""

    database_url: str | None = None
    replica_url: str | None = None
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
    max_document_characters: int = 32_768
    max_depth: int = 16
    max_aliases: int = 30
    max_cost: int = 10_000
    max_variable_values: int = 5000
    max_in_values: int = 100
    trusted_documents: Path | None = None
    trusted_only: bool = False
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
    if is_development and "REPLICA_URL" in given:
        raise ConfigurationError(f"{PREFIX}REPLICA_URL needs the primary beside it: set {PREFIX}DATABASE_URL, too")
    texts: dict[str, Any] = {name.lower(): given.get(name) for name in TEXTS}
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Settings)}
    numbers: dict[str, Any] = {
        name.lower(): read_number(given, name, defaults[name.lower()], most) for name, most in NUMBERS.items()
    }
    max_running = read_number(given, "MAX_RUNNING", 2 * numbers["pool_size"], 10_000)
    return Settings(
        database_url=read_database_url(given, "DATABASE_URL"),
        replica_url=read_database_url(given, "REPLICA_URL"),
        data_dir=Path(given.get("DATA_DIR") or default_data_dir(environ)).absolute(),
        **texts,
        row_security=read_switch(given, "ROW_SECURITY", default=True),
        introspection=read_switch(given, "INTROSPECTION", default=is_development),
        explorer=read_switch(given, "EXPLORER", default=is_development),
        federation_scopes=read_switch(given, "FEDERATION_SCOPES", default=True),
        compiled=read_switch(given, "COMPILED", default=True),
        max_running=max_running,
        max_queued=read_number(given, "MAX_QUEUED", 4 * max_running, 100_000),
        **numbers,
        trusted_documents=Path(given["TRUSTED_DOCUMENTS"]).absolute() if "TRUSTED_DOCUMENTS" in given else None,
        trusted_only=read_trusted_only(given),
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


def read_database_url(given: Mapping[str, str], name: str) -> str | None:
    url = given.get(name)
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
        raise ConfigurationError(f"{PREFIX}{name} must be a URL such as postgresql://user@host:5432/database")
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


def read_trusted_only(given: Mapping[str, str]) -> bool:
    is_on = read_switch(given, "TRUSTED_ONLY", default=False)
    if is_on and "TRUSTED_DOCUMENTS" not in given:
        raise ConfigurationError(f"{PREFIX}TRUSTED_ONLY needs {PREFIX}TRUSTED_DOCUMENTS: the documents to trust")
    return is_on


def read_number(given: Mapping[str, str], name: str, default: int, at_most: int) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= at_most):
        raise ConfigurationError(f"{PREFIX}{name} must be a whole number from 1 to {at_most}, not {value!r}")
    return int(value)


def write_value(value: object) -> str:
    write: Callable[[object], str] = (lambda switch: "on" if switch else "off") if isinstance(value, bool) else str
    return write(value)
