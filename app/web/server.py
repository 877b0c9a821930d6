"""The server processes, run by uvicorn."""

import os

import uvicorn

from app.settings import Settings

APPLICATION = "app.web.application:create_application"
DRAIN_SECONDS = 10


def run_server(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a signal; the processes read the settings from their environment."""
    os.environ.update(settings.as_environment())
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
