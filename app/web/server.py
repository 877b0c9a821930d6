"""The server processes, run by uvicorn."""

import os
import socket

import uvicorn

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.metrics import share_metrics

APPLICATION = "app.web.application:create_application"
DRAIN_SECONDS = 10


def check_address(host: str, port: int) -> None:
    """Raise ConfigurationError when this process cannot listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as failure:
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {failure.strerror}") from failure


def run_server(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a signal; the processes read the settings from their environment."""
    with share_metrics(settings, workers) as shared:
        os.environ.update(shared.as_environment())
        uvicorn.run(
            APPLICATION,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
