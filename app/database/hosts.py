"""The hosts that a database URL names, in the order in which they are tried."""

import math
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True, eq=False)
class Address:
    """One of the hosts that a URL names; without a host, the URL as a whole.

    `name` tells it from others. `answers` counts the statements that its server has answered; `fastest_connect` is in
    seconds.
    """

    host: str | None = None
    port: int | None = None
    answers: int = 0
    fastest_connect: float = math.inf
    name: str = ""


def split_hosts(url: str) -> list[Address]:
    """Split a URL that names several hosts, as libpq does; any other URL gives one address without a host.

    `prefer-standby` compares all hosts, which is left to the driver.
    """
    options = parse_qs(urlsplit(url).query)
    if options.get("target_session_attrs") == ["prefer-standby"]:
        return [Address()]
    return split_all_hosts(url)


def split_all_hosts(url: str) -> list[Address]:
    """Split a URL that names several hosts; any other URL gives one address without a host."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    named = parts.netloc.rpartition("@")[2].split(",")
    if named == [""]:
        hosts, ports = (options.get(name, [""])[-1].split(",") for name in ("host", "port"))
        ports = ports * len(hosts) if len(ports) == 1 else ports
        named = [f"{host}:{port}" for host, port in zip(hosts, ports, strict=False)]
    if len(named) == 1:
        return [Address(name=named[0].strip(":"))]
    return [Address(*split_port(host), name=host.strip(":")) for host in named]


def split_port(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host.strip("[]"), None
    return name.strip("[]"), int(port) if port else None
