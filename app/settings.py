"""Every setting of the service, read once from `ATTENDANCE_*` variables into a frozen `Settings`."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import ConfigurationError

PREFIX = "ATTENDANCE_"
NAMES_PORT = re.compile(r":[^:\]]*$")
TRUE_WORDS = frozenset({"on", "true", "yes", "1"})
FALSE_WORDS = frozenset({"off", "false", "no", "0"})
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
    max_document_characters: int = 32_768
    max_depth: int = 16
    max_aliases: int = 30
    max_cost: int = 10_000
    max_variable_values: int = 5000
    trusted_documents: Path | None = None
    trusted_only: bool = False

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
    return Settings(
        database_url=read_database_url(given),
        data_dir=Path(given.get("DATA_DIR") or default_data_dir(environ)).absolute(),
        jwt_secret=given.get("JWT_SECRET"),
        jwt_public_key=given.get("JWT_PUBLIC_KEY"),
        jwks_url=given.get("JWKS_URL"),
        jwt_issuer=given.get("JWT_ISSUER"),
        jwt_audience=given.get("JWT_AUDIENCE"),
        pool_size=read_number(given, "POOL_SIZE", 10, at_most=1000),
        row_security=read_switch(given, "ROW_SECURITY", default=True),
        introspection=read_switch(given, "INTROSPECTION", default=is_development),
        explorer=read_switch(given, "EXPLORER", default=is_development),
        explorer_token=given.get("EXPLORER_TOKEN"),
        federation_scopes=read_switch(given, "FEDERATION_SCOPES", default=True),
        document_cache_size=read_number(given, "DOCUMENT_CACHE_SIZE", 1000, at_most=100_000),
        max_body_bytes=read_number(given, "MAX_BODY_BYTES", 262_144, at_most=16 * 1024 * 1024),
        max_document_tokens=read_number(given, "MAX_DOCUMENT_TOKENS", 1000, at_most=100_000),
        max_document_characters=read_number(given, "MAX_DOCUMENT_CHARACTERS", 32_768, at_most=16 * 1024 * 1024),
        max_depth=read_number(given, "MAX_DEPTH", 16, at_most=100),
        max_aliases=read_number(given, "MAX_ALIASES", 30, at_most=10_000),
        max_cost=read_number(given, "MAX_COST", 10_000, at_most=100_000_000),
        max_variable_values=read_number(given, "MAX_VARIABLE_VALUES", 5000, at_most=1_000_000),
        trusted_documents=Path(given["TRUSTED_DOCUMENTS"]).absolute() if "TRUSTED_DOCUMENTS" in given else None,
        trusted_only=read_trusted_only(given),
    )


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


def read_trusted_only(given: Mapping[str, str]) -> bool:
    is_on = read_switch(given, "TRUSTED_ONLY", default=False)
    if is_on and "TRUSTED_DOCUMENTS" not in given:
        raise ConfigurationError(f"{PREFIX}TRUSTED_ONLY needs {PREFIX}TRUSTED_DOCUMENTS: the documents to trust")
    return is_on


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
