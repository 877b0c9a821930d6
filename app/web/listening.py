"""The sockets that a service listens on."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress

from app.errors import ConfigurationError

Listeners = list[socket.socket]
UNUSABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def open_listeners(host: str, port: int, workers: int) -> list[Listeners]:
    """Sockets for each of the workers, bound to every address of the host; they listen as soon as they are served.

    With several workers each has sockets of its own, between which the kernel spreads the connections evenly: from a
    common one, whoever is awake takes all that wait. Raises ConfigurationError when this process cannot listen there.
    """
    try:
        first = bind_all(host, port, is_shared=False)
        if workers == 1:
            return [first]
        for probe in first:  # It has failed if somebody else listens there, which shared sockets would not notice.
            probe.close()
        return [bind_all(host, port, is_shared=True) for _ in range(workers)]
    except OSError as failure:
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {failure.strerror}") from failure


def bind_all(host: str, port: int, *, is_shared: bool) -> Listeners:
    """A socket for each address of the host that this machine has."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: Listeners = []
    unusable: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            bound.append(bind(socket.socket(family, kind, protocol), address, is_shared=is_shared))
        except OSError as failure:
            if failure.errno not in UNUSABLE:
                for each in bound:
                    each.close()
                raise
            unusable = failure
    if not bound and unusable is not None:
        raise unusable
    return bound


def accept_waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that the kernel has made for a socket, and that nobody has accepted yet."""
    with suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            accepted.settimeout(0)
            yield accepted


def bind(unbound: socket.socket, address: object, *, is_shared: bool) -> socket.socket:
    try:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if unbound.family == socket.AF_INET6:
            unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        unbound.bind(address)  # type: ignore[arg-type]
    except OSError:
        unbound.close()
        raise
    return unbound
