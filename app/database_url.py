"""The URL of a database, as libpq reads it: each parameter is passed on, mapped, dropped, or refused by name.

The parameters are those of "Parameter Key Words" in the chapter on libpq of Postgres's documentation. The driver,
asyncpg, knows some of them and would send any other one to the server as a setting.
"""

import random
import re
from urllib.parse import SplitResult, quote, unquote, urlsplit

from app.database_files import check_certificates, check_service, map_system_certificates
from app.errors import ConfigurationError

EXAMPLE = "must be a URL such as postgresql://user@host:5432/database"
NAMES_PORT = re.compile(r":([^:\]]*)$")
WHOLE_NUMBER = re.compile(r"\s*[+-]?\d{1,9}\s*", re.ASCII)

# Those that the driver takes. The last one is no parameter of libpq, but often given like one.
PASSED = (
    *("host", "port", "dbname", "database", "user", "password", "passfile", "service", "options", "application_name"),
    *("target_session_attrs", "sslmode", "sslnegotiation", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib", "search_path"),
)
DROPPED = ("fallback_application_name", "sslcompression", "sslsni", "max_protocol_version", "authtype", "tty")
# Dropped, too, once they are seen to be numbers: the service has timeouts and keepalives of its own.
NUMBERS = (
    *("connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
)
REFUSED = (
    *("hostaddr", "servicefile", "sslcrldir", "sslkeylogfile", "require_auth", "requirepeer"),
    *("scram_client_key", "scram_server_key"),
    *("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
)
# Dropped with a value that asks for nothing but what the driver does anyway; refused with any other one.
ALLOWED = {
    "client_encoding": ("UTF8", "utf8", "UTF-8", "utf-8", "auto"),
    "replication": ("false", "off", "no", "0"),
    "load_balance_hosts": ("disable", "random"),
    "sslcertmode": ("allow",),
    "min_protocol_version": ("3.0",),
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
}
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "gsslib": ("gssapi", "sspi"),
    "ssl_min_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}


def parse_database_url(url: str, setting: str) -> str:
    """The same URL with nothing in it but what the driver takes as libpq does.

    Raises ConfigurationError, naming the setting and the parameter, for what cannot be kept.
    """
    try:
        parts = urlsplit(url)
    except ValueError as failure:
        raise ConfigurationError(f"{setting} {EXAMPLE}") from failure
    if parts.scheme not in ("postgresql", "postgres"):
        raise ConfigurationError(f"{setting} {EXAMPLE}")
    if parts.fragment:
        raise ConfigurationError(f"{setting} contains a #, which has to be written as %23")
    parts, given = place_hosts(parts, read_parameters(parts.query, setting))
    check_ports(parts, given, setting)
    kept = {name: value for name, value in given.items() if is_passed(name, value, setting)}
    map_system_certificates(kept, setting)
    check_values(kept, setting)
    if given.get("load_balance_hosts") == "random":
        parts, kept = shuffle_hosts(parts, kept)
    query = "&".join(f"{name}={quote(value, safe='/,:@')}" for name, value in kept.items())
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if query else ''}{query}"


def read_parameters(query: str, setting: str) -> dict[str, str]:
    """The parameters, of which the last one of a name counts and an empty one does not; `+` is no space in them."""
    found = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigurationError(f"{setting} has a parameter without a value; & has to be written as %26")
        found[unquote(name)] = unquote(value)
    if found.get("ssl") == "true":  # as JDBC says it
        del found["ssl"]
        found.setdefault("sslmode", "require")
    return {name: value for name, value in found.items() if value}


def place_hosts(parts: SplitResult, given: dict[str, str]) -> tuple[SplitResult, dict[str, str]]:
    """Have hosts and ports in one place: those of the parameters count before those of the authority, as in libpq."""
    user, at, authority = parts.netloc.rpartition("@")
    if not authority or not given.keys() & {"host", "port"}:
        return parts, given
    addresses = [(NAMES_PORT.sub("", host), NAMES_PORT.search(host)) for host in authority.split(",")]
    named = {"host": ",".join(unquote(host) for host, _ in addresses)}
    if any(found for _, found in addresses):
        named["port"] = ",".join(found[1] if found else "" for _, found in addresses)
    return parts._replace(netloc=user + at), named | given


def is_passed(name: str, value: str, setting: str) -> bool:
    """Whether the driver takes a parameter, rather than that it can be dropped. Raises ConfigurationError."""
    if name in REFUSED:
        raise ConfigurationError(f"{setting}: the service does not support {name}")
    if name in NUMBERS and not WHOLE_NUMBER.fullmatch(value):
        raise ConfigurationError(f"{setting}: {name} must be a whole number")
    if value not in ALLOWED.get(name, (value,)):
        raise ConfigurationError(f"{setting}: the service supports no {name} but {' or '.join(ALLOWED[name])}")
    if name not in (*PASSED, *DROPPED, *NUMBERS, *ALLOWED):
        raise ConfigurationError(
            f"{setting}: there is no parameter {name}; Postgres's settings are given as options=-c%20name=value"
        )
    return name in PASSED


def check_value(name: str, value: str, setting: str) -> None:
    """Raise ConfigurationError, naming the setting and the parameter, for a value that cannot be kept."""
    if is_passed(name, value, setting) and value not in CHOICES.get(name, (value,)):
        raise ConfigurationError(f"{setting}: {name} must be one of {', '.join(CHOICES[name])}")


def check_values(kept: dict[str, str], setting: str) -> None:
    for name, value in kept.items():
        check_value(name, value, setting)
    is_certain = kept.get("sslmode", "prefer") in ("require", "verify-ca", "verify-full")
    if kept.get("sslnegotiation") == "direct" and not is_certain:
        raise ConfigurationError(f"{setting}: sslnegotiation=direct needs sslmode=require, verify-ca or verify-full")
    check_certificates(kept, setting)
    check_service(kept, setting)


def check_ports(parts: SplitResult, given: dict[str, str], setting: str) -> None:
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [found[1] for host in hosts if (found := NAMES_PORT.search(host)) and found[1]]
    named = [port for port in given.get("port", "").split(",") if port]
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 65_536 for port in (*ports, *named)):
        raise ConfigurationError(f"{setting} {EXAMPLE}; a port is a number from 1 to 65535")
    if hosts == [""]:
        hosts = given.get("host", "").split(",")
    if len(hosts) > 1 and "" in hosts:
        raise ConfigurationError(f"{setting} names an empty host among several")
    count = len(given.get("port", "").split(","))
    if count not in (1, len(hosts)):
        raise ConfigurationError(f"{setting}: port names {count} ports for {len(hosts)} hosts")


def shuffle_hosts(parts: SplitResult, kept: dict[str, str]) -> tuple[SplitResult, dict[str, str]]:
    """The hosts in a random order, each with its port, as `load_balance_hosts=random` asks for."""
    user, at, netloc = parts.netloc.rpartition("@")
    hosts = (netloc or kept.get("host", "")).split(",")
    ports = kept.get("port", "").split(",")
    order = random.sample(range(len(hosts)), len(hosts))
    if len(ports) == len(hosts):
        kept = kept | {"port": ",".join(ports[position] for position in order)}
    shuffled = ",".join(hosts[position] for position in order)
    if netloc:
        return parts._replace(netloc=f"{user}{at}{shuffled}"), kept
    return parts, kept | {"host": shuffled}
