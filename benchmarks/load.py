"""The load: a process of its own that sends prepared requests over a few connections and times the answers.

`python -m benchmarks.load PORT PATH CONNECTIONS EXPECTED`; each answer begins with the member EXPECTED, `data` or
`errors`. The requests take the headers in BENCHMARK_HEADERS, a JSON list, in turn. A line of the input is a number N,
and N lines with a body each follow: they are sent, and a line with the times is the answer. So two servers can be
loaded in turn, a moment each.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import orjson
import uvloop


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds for all requests of a slice together, and for each one."""

    elapsed: float
    latencies: Sequence[float]


class Client:
    """One connection to a server, over which requests are sent one after another."""

    def __init__(self, path: str, expected: str) -> None:
        self._start = f'{{"{expected}"'.encode()
        self._head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"

    async def connect(self, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)

    async def send_all(self, requests: Iterator[tuple[str, bytes]], latencies: list[float]) -> None:
        for header, body in requests:
            started = time.perf_counter()
            self._writer.write(f"{self._head}{header}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await self._read_answer()
            latencies.append(time.perf_counter() - started)

    async def _read_answer(self) -> None:
        """Read one answer whole. Raises RuntimeError unless it is 200, and begins with what is expected."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        if b" 200 " not in lines[0] or not body.startswith(self._start):
            raise RuntimeError(f"{lines[0]!r}: {body[:300]!r}")


async def answer_slices(port: int, path: str, connections: int, expected: str) -> None:
    """Send slice after slice, until the input ends."""
    clients = [Client(path, expected) for _ in range(connections)]
    headers = itertools.cycle(orjson.loads(os.environ["BENCHMARK_HEADERS"]))
    is_connected = False
    while count := sys.stdin.buffer.readline():
        bodies = [sys.stdin.buffer.readline() for _ in range(int(count))]
        if not is_connected:  # Only now: a server closes connections whose first request it waits for in vain.
            await asyncio.gather(*(client.connect(port) for client in clients))
            is_connected = True
        times = await send_slice(clients, list(zip(headers, bodies, strict=False)))
        sys.stdout.buffer.write(orjson.dumps(asdict(times), option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


async def send_slice(clients: Sequence[Client], prepared: Sequence[tuple[str, bytes]]) -> Times:
    requests = iter(prepared)
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(client.send_all(requests, latencies) for client in clients))
    return Times(time.perf_counter() - started, latencies)


if __name__ == "__main__":
    uvloop.run(answer_slices(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
