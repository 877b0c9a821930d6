"""What rests on uvicorn's internals: all of it is listed, and each of it is as it was when the service was tested."""

import ast
import hashlib
import inspect
import re
from importlib import import_module
from pathlib import Path

from app.web.serving import connection_monitor, http_connections, server, uvicorn_internals, websockets, workers
from app.web.serving.uvicorn_internals import INTERNALS

ROOT = Path(uvicorn_internals.__file__).parents[3]
IMPORTING = {server.__file__, uvicorn_internals.__file__, websockets.__file__, workers.__file__}
USING = {*IMPORTING, connection_monitor.__file__, http_connections.__file__}
CLASS = re.compile(r"^uvicorn\.(?P<module>\S+)\.(?P<name>\w+)\n(?P<used>(?: .*\n)+)", re.MULTILINE)
# What calls the attributes, or is called with them.
AROUND = {
    "HttpToolsProtocol": "on_body on_headers_complete on_message_begin on_message_complete shutdown",
    "RequestResponseCycle": "receive run_asgi",
    "WebSocketsSansIOProtocol": "run_asgi send",
    "Server": "_serve main_loop",
    "Multiprocess": "init_processes keep_subprocess_alive restart_all",
}
# The sources of uvicorn that the service was tested with. If one has changed, read what rests on it, then replace it.
KNOWN = {
    "FlowControl.__init__": "0152d94a0407",
    "FlowControl.drain": "4bda6b61c277",
    "FlowControl.pause_reading": "7c27388bb984",
    "FlowControl.resume_reading": "a0429d30857e",
    "RequestResponseCycle.__init__": "4d2f220910c3",
    "RequestResponseCycle.receive": "8124ae006be7",
    "RequestResponseCycle.run_asgi": "0f33f2449a44",
    "RequestResponseCycle.send": "abdd8601b326",
    "HttpToolsProtocol.__init__": "4f0899941034",
    "HttpToolsProtocol._should_upgrade": "8fcad1ab8e09",
    "HttpToolsProtocol._start_asgi_task": "9c08c2571ae9",
    "HttpToolsProtocol.connection_lost": "c91a4c9bf2e2",
    "HttpToolsProtocol.connection_made": "6efb565ff3d3",
    "HttpToolsProtocol.data_received": "010a7ae59a5d",
    "HttpToolsProtocol.on_body": "dba9c32aeba3",
    "HttpToolsProtocol.on_headers_complete": "1ea8589acfad",
    "HttpToolsProtocol.on_message_begin": "96d377fdc7c2",
    "HttpToolsProtocol.on_message_complete": "1fbad42dc31f",
    "HttpToolsProtocol.on_response_complete": "64e254f28e38",
    "HttpToolsProtocol.pause_writing": "17a8fd215d96",
    "HttpToolsProtocol.resume_writing": "7844bbaa8cce",
    "HttpToolsProtocol.shutdown": "d7351fa33f00",
    "WebSocketsSansIOProtocol.__init__": "631dcd744eab",
    "WebSocketsSansIOProtocol.connection_lost": "dd116afc4d80",
    "WebSocketsSansIOProtocol.connection_made": "f533ec93747c",
    "WebSocketsSansIOProtocol.data_received": "c89d394077d8",
    "WebSocketsSansIOProtocol.handle_connect": "fc648c2161ff",
    "WebSocketsSansIOProtocol.pause_writing": "4830f7e0d81f",
    "WebSocketsSansIOProtocol.receive": "1dc0e7153900",
    "WebSocketsSansIOProtocol.resume_writing": "ef79384e5fff",
    "WebSocketsSansIOProtocol.run_asgi": "662375aa38d9",
    "WebSocketsSansIOProtocol.send": "d4919ed760ce",
    "WebSocketsSansIOProtocol.shutdown": "e8ace796ada6",
    "Server.__init__": "c150b55284f7",
    "Server._serve": "4575b7a50adf",
    "Server.main_loop": "afccb353a119",
    "Server.on_tick": "60ea49b06ccf",
    "Server.run": "239e0133d430",
    "Server.shutdown": "9b33c5056299",
    "Server.startup": "2aa1d70a244b",
    "Process.__init__": "a8c85f799aae",
    "Process.exitcode": "8d73f4e8abcc",
    "Process.is_alive": "7fb1ab8fc390",
    "Process.join": "bcc96b4a8bcd",
    "Process.kill": "23db0314aac4",
    "Process.target": "ad60ca4616de",
    "Multiprocess.__init__": "5e0f105cb4a3",
    "Multiprocess.init_processes": "6c69f2a36bf5",
    "Multiprocess.keep_subprocess_alive": "3ba4980aa33b",
    "Multiprocess.restart_all": "438dec6d95be",
    "Multiprocess.run": "306814569fbd",
    "Multiprocess.terminate_all": "6efef9523120",
}


def list_used() -> dict[type, set[str]]:
    return {
        getattr(import_module(f"uvicorn.{match['module']}"), match["name"]): set(match["used"].split())
        for match in CLASS.finditer(INTERNALS)
    }


def list_own(kind: type) -> set[str]:
    """The names that a class defines, or gives its instances."""
    made = re.findall(r"self\.(\w+)(?::[^=\n]*)? = ", inspect.getsource(kind))
    return {name for name in vars(kind) if not name.startswith("__")} | set(made)


def digest(kind: type, name: str) -> str:
    member = inspect.getattr_static(kind, name)
    source = inspect.getsource(member.fget if isinstance(member, property) else member)
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def test_what_is_used_of_uvicorn_is_as_it_was() -> None:
    found = {
        f"{kind.__name__}.{name}": digest(kind, name)
        for kind, names in list_used().items()
        for name in sorted({"__init__", *names & vars(kind).keys(), *AROUND.get(kind.__name__, "").split()})
    }
    assert found == KNOWN


def test_uvicorn_has_all_that_is_used() -> None:
    assert [(kind, names - list_own(kind)) for kind, names in list_used().items() if names - list_own(kind)] == []


def test_all_that_is_used_of_uvicorn_is_listed() -> None:
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for name in USING
        for node in ast.walk(ast.parse(Path(name).read_text()))
        if isinstance(node, ast.Attribute | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    listed = set().union(*list_used().values())
    of_uvicorn = set().union(*map(list_own, list_used()))
    assert used & of_uvicorn - listed == set()
    assert listed - used == set()


def test_nothing_else_rests_on_uvicorn() -> None:
    imports = re.compile(r"^(from|import) uvicorn", re.MULTILINE)
    assert {str(path) for path in (ROOT / "app").rglob("*.py") if imports.search(path.read_text())} == IMPORTING
