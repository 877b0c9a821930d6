"""Variables of others: those that Kubernetes sets for a service, and libpq's, which complete the URL of a database."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from app.database_files import check_service
from app.database_url import NAMES_PORT, check_value, read_parameters
from app.errors import ConfigurationError

# What Kubernetes sets in each pod for a service called attendance, or attendance-db: the name without the prefix.
KUBERNETES_NAME = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")

# The variables whose value may be one that the driver cannot use, or would leave out although it asks for security.
LIBPQ_VARIABLES = {
    "PGSSLMODE": "sslmode",
    "PGSSLNEGOTIATION": "sslnegotiation",
    "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
    "PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
    "PGSSLCERTMODE": "sslcertmode",
    "PGSSLCRLDIR": "sslcrldir",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGCHANNELBINDING": "channel_binding",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGGSSENCMODE": "gssencmode",
    "PGGSSLIB": "gsslib",
}
PORTS = re.compile(r"\d{1,5}(,\d{1,5})*", re.ASCII)


def check_libpq_variables(url: str, environ: Mapping[str, str]) -> None:
    """Check the variables that complete a URL of a database; those that it gives itself do not count.

    Raises ConfigurationError, naming the variable.
    """
    parts = urlsplit(url)
    given = read_parameters(parts.query, "the URL of the database")
    for variable, name in LIBPQ_VARIABLES.items():
        if environ.get(variable) and name not in given:
            check_value(name, environ[variable], variable)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    needs_port = "port" not in given and not all(map(NAMES_PORT.search, hosts))
    if needs_port and not PORTS.fullmatch(environ.get("PGPORT") or "0"):
        raise ConfigurationError("PGPORT must be a number from 1 to 65535")
    if environ.get("PGSERVICE") and "service" not in given:
        check_service({"service": environ["PGSERVICE"]}, "PGSERVICE")
