"""Every setting of the service, read once from `ATTENDANCE_*` variables into a frozen `Settings`."""

import difflib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from operator import getitem
from pathlib import Path
from typing import Any

from app.data_directory import PREFIX, read_data_dir
from app.database_url import parse_database_url
from app.errors import ConfigurationError
from app.other_variables import KUBERNETES_NAME, check_libpq_variables

# The tests read these from the same environment.
TEST_NAMES = frozenset({"TEST_DATABASE_URL", "TEST_SERVICE_URL", "TEST_REPLICA_URL", "TEST_ROW_SECURITY", "BROWSER"})
WEB_URL = re.compile(r"https?://[^/\s]+(/\S*)?")
TRUE_WORDS = frozenset({"on", "true", "yes", "1"})
FALSE_WORDS = frozenset({"off", "false", "no", "0"})
STANDARD_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TRACING_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
LOG_LEVELS = ("debug", "info", "warning", "error")
KEY_NAMES = ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL")
MIN_SECRET_BYTES = 32
RUNNING_PER_CONNECTION, QUEUED_PER_RUNNING = 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process. `max_running` and `max_queued` follow the size of the pool if they are not given."""

    database_url: str | None = None
    replica_url: str | None = None
    replica_max_lag: int = 10
    data_dir: Path
    host: str = "127.0.0.1"
    jwt_secret: str | None = None
    jwt_public_key: str | None = None
    jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    pool_size: int = 10
    row_security: bool = True
    distributed: bool = False
    introspection: bool = False
    explorer: bool = False
    explorer_token: str | None = None
    federation_scopes: bool = False
    cors_origins: str | None = None
    max_body_bytes: int = 262_144
    max_document_tokens: int = 1000
    max_running: int = 0
    max_queued: int = 0
    max_depth: int = 16
    max_aliases: int = 30
    max_cost: int = 10_000
    max_streams: int = 10_000
    deletions_kept_days: int = 30
    trusted_documents: Path | None = None
    trusted_only: bool = False
    log_level: str = "info"
    metrics: bool = True
    metrics_token: str | None = None
    otlp_endpoint: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_running", self.max_running or RUNNING_PER_CONNECTION * self.pool_size)
        object.__setattr__(self, "max_queued", self.max_queued or QUEUED_PER_RUNNING * self.max_running)

    @property
    def has_key(self) -> bool:
        return any((self.jwt_secret, self.jwt_public_key, self.jwks_url))


DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Settings)}  # Limits start from these.


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping such as `os.environ`; an empty value counts as unset.

    Without `DATABASE_URL` the service runs for its developer: embedded Postgres, introspection and explorer on.
    With it, it runs for the world: both stay off unless they are turned on.
    Raises ConfigurationError, naming the variable, for a name that is unknown or a value that cannot be used.
    """
    given = {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX) and value}
    for name in given:
        check_name(name)
    check_combinations(given)
    values: dict[str, Any] = dict.fromkeys(("introspection", "explorer"), "DATABASE_URL" not in given)
    values["data_dir"] = read_data_dir(given, environ)
    standard = find_standard_endpoint(environ)
    values["otlp_endpoint"] = environ[standard] if standard and has_tracing() else None
    values |= {name.lower(): read(given, name) for name, read in READERS.items() if name in given}
    for url in filter(None, (values.get("database_url"), values.get("replica_url"))):
        check_libpq_variables(url, environ)
    if values.get("distributed"):
        values["row_security"] = False
    if is_tracing_off(environ):
        values["otlp_endpoint"] = None
    return Settings(**values)


def check_name(name: str) -> None:
    """Raise ConfigurationError for a name that is neither a setting nor set by Kubernetes."""
    if name in READERS or name in TEST_NAMES or KUBERNETES_NAME.fullmatch(name):
        return
    nearest = difflib.get_close_matches(name, READERS, n=1, cutoff=0)[0]
    raise ConfigurationError(f"{PREFIX}{name} is not a setting; the nearest one is {PREFIX}{nearest}")


def check_combinations(given: Mapping[str, str]) -> None:
    """Raise ConfigurationError for settings that exclude or miss each other."""
    keys = [PREFIX + name for name in KEY_NAMES if name in given]
    if len(keys) > 1:
        raise ConfigurationError(f"set one of {' and '.join(keys)}, not several: tokens are verified by one key")
    if "REPLICA_URL" in given and "DATABASE_URL" not in given:
        raise ConfigurationError(f"{PREFIX}REPLICA_URL needs the primary beside it: set {PREFIX}DATABASE_URL, too")
    if is_on(given, "DISTRIBUTED"):
        if "DATABASE_URL" not in given:
            raise ConfigurationError(f"{PREFIX}DISTRIBUTED needs a Citus cluster: set {PREFIX}DATABASE_URL, too")
        if "REPLICA_URL" in given:
            raise ConfigurationError(f"a replica of a coordinator does not hold the records: unset {PREFIX}REPLICA_URL")
        if is_on(given, "ROW_SECURITY"):
            raise ConfigurationError(f"Citus has no row security: unset {PREFIX}ROW_SECURITY, or set it to off")
    if is_on(given, "TRUSTED_ONLY") and "TRUSTED_DOCUMENTS" not in given:
        raise ConfigurationError(f"{PREFIX}TRUSTED_ONLY needs {PREFIX}TRUSTED_DOCUMENTS: the documents to trust")


def is_on(given: Mapping[str, str], name: str) -> bool:
    return name in given and read_switch(given, name)


def find_standard_endpoint(environ: Mapping[str, str]) -> str | None:
    """Which of OpenTelemetry's own variables names the endpoint; None if none does, or if they turn traces off."""
    if is_tracing_off(environ):
        return None
    return next((name for name in STANDARD_ENDPOINTS if environ.get(name)), None)


def is_tracing_off(environ: Mapping[str, str]) -> bool:
    is_disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return is_disabled or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"


def has_tracing() -> bool:
    """Whether the `tracing` extra is installed."""
    try:
        return all(importlib.util.find_spec(name) for name in TRACING_MODULES)
    except ImportError:
        return False


def read_database_url(given: Mapping[str, str], name: str) -> str:
    return parse_database_url(given[name].strip(), PREFIX + name)


def read_text(given: Mapping[str, str], name: str) -> str:
    """A text that is compared byte by byte, so that white space at its ends is a mistake."""
    return check_ends(given[name], PREFIX + name)


def check_ends(text: str, source: str) -> str:
    if text != text.strip():
        raise ConfigurationError(f"{source} has white space at its ends, such as a line break: remove it")
    return text


def read_secret(given: Mapping[str, str], name: str) -> str:
    return check_secret(given[name], PREFIX + name)


def check_secret(secret: str, source: str) -> str:
    """The secret, which `source` names in errors. Raises ConfigurationError for one that can be guessed or mistyped."""
    check_ends(secret, source)
    if len(secret.encode("utf-8", "surrogateescape")) < MIN_SECRET_BYTES:
        raise ConfigurationError(f"{source} is shorter than {MIN_SECRET_BYTES} bytes: tokens could be forged")
    return secret


def read_switch(given: Mapping[str, str], name: str) -> bool:
    value = given[name].lower()
    if value not in TRUE_WORDS | FALSE_WORDS:
        raise ConfigurationError(f"{PREFIX}{name} must be on or off, not {given[name]!r}")
    return value in TRUE_WORDS


def read_web_url(given: Mapping[str, str], name: str) -> str:
    if not WEB_URL.fullmatch(given[name]):
        raise ConfigurationError(f"{PREFIX}{name} must be a URL such as http://collector:4318")
    return given[name]


def read_log_level(given: Mapping[str, str], name: str) -> str:
    value = given[name].lower()
    if value not in LOG_LEVELS:
        raise ConfigurationError(f"{PREFIX}{name} must be one of {', '.join(LOG_LEVELS)}, not {given[name]!r}")
    return value


def read_path(given: Mapping[str, str], name: str) -> Path:
    return Path(given[name]).absolute()


def read_number(given: Mapping[str, str], name: str, *, at_most: int) -> int:
    value = given[name]
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= at_most):
        raise ConfigurationError(f"{PREFIX}{name} must be a whole number from 1 to {at_most}, not {value!r}")
    return int(value)


SWITCHES = ("ROW_SECURITY", "DISTRIBUTED", "INTROSPECTION", "EXPLORER", "FEDERATION_SCOPES", "TRUSTED_ONLY", "METRICS")
READERS: dict[str, Callable[[Mapping[str, str], str], Any]] = {
    **dict.fromkeys(("DATABASE_URL", "REPLICA_URL"), read_database_url),
    **dict.fromkeys(("DATA_DIR", "TRUSTED_DOCUMENTS"), read_path),
    "JWT_SECRET": read_secret,
    **dict.fromkeys(("HOST", "JWT_ISSUER", "JWT_AUDIENCE", "EXPLORER_TOKEN", "METRICS_TOKEN"), read_text),
    **dict.fromkeys(SWITCHES, read_switch),
    **dict.fromkeys(("JWT_PUBLIC_KEY", "JWKS_URL", "CORS_ORIGINS"), getitem),  # whoever uses them checks them
    "LOG_LEVEL": read_log_level,
    "OTLP_ENDPOINT": read_web_url,
    "POOL_SIZE": partial(read_number, at_most=1000),
    "REPLICA_MAX_LAG": partial(read_number, at_most=86_400),
    "MAX_BODY_BYTES": partial(read_number, at_most=16 * 1024 * 1024),
    "MAX_DOCUMENT_TOKENS": partial(read_number, at_most=100_000),
    "MAX_RUNNING": partial(read_number, at_most=10_000),
    "MAX_QUEUED": partial(read_number, at_most=100_000),
    "MAX_DEPTH": partial(read_number, at_most=100),
    "MAX_ALIASES": partial(read_number, at_most=10_000),
    "MAX_COST": partial(read_number, at_most=100_000_000),
    "MAX_STREAMS": partial(read_number, at_most=1_000_000),
    "DELETIONS_KEPT_DAYS": partial(read_number, at_most=36_500),
}
