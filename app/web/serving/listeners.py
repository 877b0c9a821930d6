"""Listening sockets."""

import errno
import socket

from app.errors import ConfigurationError

UNUSABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
ANOTHER_PORT_HELPS = (errno.EADDRINUSE, errno.EACCES)
ALL_ADDRESSES = ("::", "0.0.0.0")  # noqa: S104 (whoever gives `::` asks for it)
LOOPBACKS = dict(zip(ALL_ADDRESSES, ("::1", "127.0.0.1"), strict=True))


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Bound sockets, one for each address of the host. They do not listen yet.

    Raises ConfigurationError if they cannot be bound.
    """
    try:
        return bind_addresses(host.strip("[]"), port)
    except UnicodeError as failure:
        raise ConfigurationError(f"cannot listen on {host}: it is not the name of a host") from failure
    except OSError as failure:
        cure = "; choose another one with --port" if failure.errno in ANOTHER_PORT_HELPS else ""
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {failure.strerror}{cure}") from failure


def format_url(host: str, listeners: list[socket.socket]) -> str:
    """The URL of what listens on a host. For all addresses of this machine it is one that a browser on it can open."""
    address, port = listeners[0].getsockname()[:2]
    name = LOOPBACKS[address] if address in LOOPBACKS else host.strip("[]")
    return f"http://[{name.replace('%', '%25')}]:{port}" if ":" in name else f"http://{name}:{port}"


def bind_addresses(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host that exists on this machine. `::` is all addresses, of both families."""
    addresses = [
        address
        for name in (ALL_ADDRESSES if host == "::" else (host,))
        for address in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    ]
    bound: list[socket.socket] = []
    unusable: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(addresses):
        try:
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            bound.append(listener)
        except OSError as failure:
            if failure.errno not in UNUSABLE:
                raise
            unusable = failure
    if not bound and unusable is not None:
        raise unusable
    return bound
