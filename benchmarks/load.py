"""The load: a process of its own that sends prepared requests over a few connections and times the answers.

`python -m benchmarks.load PORT PATH CONNECTIONS < requests`, where each line of the input is a body; the header of
the requests is in BENCHMARK_HEADERS. Prints the times as JSON.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import orjson
import uvloop


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds for all requests together, and milliseconds at two ranks of the single ones."""

    elapsed: float
    p50: float
    p99: float


async def send_all(port: int, path: str, connections: int, bodies: list[bytes]) -> Times:
    requests = iter(bodies)
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(send_in_turn(port, path, requests, latencies) for _ in range(connections)))
    elapsed = time.perf_counter() - started
    latencies.sort()
    return Times(elapsed, latencies[len(latencies) // 2] * 1000, latencies[int(len(latencies) * 0.99)] * 1000)


async def send_in_turn(port: int, path: str, requests: Iterator[bytes], latencies: list[float]) -> None:
    """Send requests over one connection, one after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    extra = os.environ.get("BENCHMARK_HEADERS", "")
    for body in requests:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        writer.write(head.encode() + body)
        await read_answer(reader)
        latencies.append(time.perf_counter() - started)
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> None:
    """Read one answer whole. Raises RuntimeError unless it is 200 and free of errors."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
    body = await reader.readexactly(length)
    if b" 200 " not in lines[0] or body.startswith(b'{"errors"'):
        raise RuntimeError(f"{lines[0]!r}: {body[:300]!r}")


def main() -> None:
    port, path, connections = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    bodies = sys.stdin.buffer.read().splitlines()
    times = uvloop.run(send_all(port, path, connections, bodies))
    sys.stdout.buffer.write(orjson.dumps(asdict(times)))


if __name__ == "__main__":
    main()
