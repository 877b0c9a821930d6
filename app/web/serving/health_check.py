"""`python -m app.web.serving.health_check`: asks the service of this container whether it is ready, for reads at least.

The exit code is 0 or 1. It follows `--host` and `--port` of the container's command, and asks without a proxy.
"""

import os
import re
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import Template

COMMAND_LINE = Path("/proc/1/cmdline")
SECONDS = 2.0
OPTION = re.compile(r"--(host|port)[= ](\S+)")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
ALL_ADDRESSES = ("", "::", "0.0.0.0")  # noqa: S104 (they are compared)


def find_address(command_line: str, environ: Mapping[str, str]) -> tuple[str, int]:
    """The host and the port that a command serves on. Of repeated options, the last one counts.

    The command line of a shell has its variables by name, such as `$PORT`.
    """
    options = dict(OPTION.findall(Template(command_line).safe_substitute(environ)))
    host = options.get("host", environ.get("ATTENDANCE_HOST", DEFAULT_HOST)).strip("[]\"'")
    port = options.get("port", "").strip("\"'")
    return DEFAULT_HOST if host in ALL_ADDRESSES else host, int(port) if port.isdigit() else DEFAULT_PORT


def check_health(command_line: str, environ: Mapping[str, str]) -> int:
    """0 if the service is ready, else 1. What it answers is printed, for `docker inspect`."""
    connection = HTTPConnection(*find_address(command_line, environ), timeout=SECONDS)
    try:
        connection.request("GET", "/readyz?reads=1")
        response = connection.getresponse()
        sys.stdout.write(response.read(1000).decode("utf-8", "replace") + "\n")
    except (OSError, HTTPException) as failure:
        sys.stdout.write(f"{failure}\n")
        return 1
    finally:
        connection.close()
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    arguments = COMMAND_LINE.read_bytes().decode("utf-8", "replace").replace("\0", " ")
    sys.exit(check_health(arguments, os.environ))
