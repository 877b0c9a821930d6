"""A command that uses the embedded Postgres below the given directory until its standard input ends."""

import subprocess
import sys
from pathlib import Path

from app.database.embedded import run_embedded_postgres
from app.errors import ConfigurationError

try:
    with run_embedded_postgres(Path(sys.argv[1])) as url:
        child = subprocess.Popen(sys.argv[2:]).pid if sys.argv[2:] else 0
        sys.stdout.write(f"{url} {child}\n")
        sys.stdout.flush()
        sys.stdin.read()
except ConfigurationError as error:
    sys.exit(f"refused: {error}")
