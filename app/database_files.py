"""The files that a database's URL names: certificates, keys, and the definitions of services."""

import os
import ssl
from configparser import ConfigParser, Error
from pathlib import Path

from app.errors import ConfigurationError

FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
LISTS_OF_CERTIFICATES = {"sslrootcert", "sslcrl"}
SYSTEM = "system"
# Where systems keep the certificates of public authorities in one file.
SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def check_certificates(kept: dict[str, str], setting: str) -> None:
    """Raise ConfigurationError for a file that cannot be read, or holds something else than its parameter says."""
    for name in FILES:
        if name in kept and not (Path(kept[name]).is_file() and os.access(kept[name], os.R_OK)):
            raise ConfigurationError(f"{setting}: the file that {name} names does not exist or cannot be read")
    for name in LISTS_OF_CERTIFICATES & kept.keys():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(kept[name])
        except OSError as failure:
            raise ConfigurationError(f"{setting}: the file that {name} names holds no certificates") from failure
    if "sslcert" in kept and "sslkey" in kept:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(
                kept["sslcert"], kept["sslkey"], kept.get("sslpassword", "")
            )
        except OSError as failure:
            raise ConfigurationError(
                f"{setting}: the files that sslcert and sslkey name hold no certificate with its key"
            ) from failure


def check_service(kept: dict[str, str], setting: str) -> None:
    """Raise ConfigurationError for a service that is not defined: the driver would ignore it."""
    if "service" not in kept:
        return
    path = os.environ.get("PGSERVICEFILE") or os.path.expanduser("~/.pg_service.conf")  # noqa: PTH111 (pathlib's raises where there is no home)
    definitions = ConfigParser(interpolation=None)
    try:
        definitions.read(path)
    except (OSError, Error) as failure:
        raise ConfigurationError(f"{setting}: the service file {path} cannot be read") from failure
    if kept["service"] not in definitions.sections():
        raise ConfigurationError(f"{setting}: the service {kept['service']} is not defined in {path}")


def map_system_certificates(kept: dict[str, str], setting: str) -> None:
    """Have `sslrootcert=system` name the file of the system, and mean `sslmode=verify-full` as in libpq."""
    if kept.get("sslrootcert") != SYSTEM:
        return
    if kept.setdefault("sslmode", "verify-full") != "verify-full":
        raise ConfigurationError(f"{setting}: sslrootcert=system needs sslmode=verify-full")
    candidates = (ssl.get_default_verify_paths().cafile, *SYSTEM_CERTIFICATES)
    found = next((path for path in candidates if path and Path(path).is_file()), None)
    if found is None:
        raise ConfigurationError(
            f"{setting}: sslrootcert=system finds no certificates on this system; name a file, or set SSL_CERT_FILE"
        )
    kept["sslrootcert"] = found
