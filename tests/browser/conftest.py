"""Where the browser tests find an explorer: `explorer_url`, the address of a page in demo mode."""

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from stub_service import make_application


@pytest.fixture(scope="session")
def explorer_url() -> Iterator[str]:
    """The page's address, served on a free port of this machine while the tests run."""
    config = uvicorn.Config(make_application(), port=0, log_level="warning", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/graphql"
    server.should_exit = True
    thread.join()
