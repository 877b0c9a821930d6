"""Whoever reads the log, or stops to, the service goes on."""

import os
import threading
import time
from contextlib import suppress

import pytest

from app.observing.output import MAX_ATOMIC_BYTES, LineOutput, group_lines

LINE = b"x" * 999 + b"\n"
MORE_THAN_A_PIPE_HOLDS = 1000


def test_lines_arrive_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    for number in range(3):
        output.write_all([b"%d\n" % number])
    assert os.read(reading, 100) == b"0\n1\n2\n"
    assert output.dropped == 0


def test_a_reader_that_stalls_is_waited_for_once_and_then_costs_lines_alone() -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    begin = time.monotonic()
    for _ in range(MORE_THAN_A_PIPE_HOLDS):
        output.write_all([LINE])
    assert time.monotonic() - begin < 2
    assert 0 < output.dropped < MORE_THAN_A_PIPE_HOLDS
    taken = MORE_THAN_A_PIPE_HOLDS - output.dropped
    received = b""
    while len(received) < taken * len(LINE):
        received += os.read(reading, 65_536)
    assert received == LINE * taken
    output.write_all([b"again\n"])
    assert os.read(reading, 100) == b"again\n"


@pytest.mark.parametrize("size", [MAX_ATOMIC_BYTES + 1, 20_000, 200_000, 2_000_000])
@pytest.mark.parametrize("filled", [0, 1, 60_000, 65_536])
def test_a_line_that_is_longer_than_a_pipe_holds_blocks_nothing_and_arrives_whole(size: int, filled: int) -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    os.write(writing, b"-" * filled)
    begin = time.monotonic()
    long = b"x" * (size - 1) + b"\n"
    for line in (long, LINE, long):
        output.write_all([line])
    assert time.monotonic() - begin < 1
    received, last = b"", b"last\n"
    os.set_blocking(reading, False)
    for _ in range(200):
        output.write_all([last])
        with suppress(BlockingIOError):
            while True:
                received += os.read(reading, 65_536)
    lines = received[filled:].splitlines(keepends=True)
    assert set(lines) <= {long, LINE, last}
    assert lines[-1] == last


def test_a_line_for_a_reader_that_is_slow_blocks_little() -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    is_over = threading.Event()

    def read_slowly() -> None:
        while not is_over.is_set():
            os.read(reading, 4096)
            time.sleep(0.02)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    begin = time.monotonic()
    output.write_all([b"x" * 1_000_000 + b"\n"])
    seconds = time.monotonic() - begin
    is_over.set()
    reader.join()
    assert seconds < 0.5


def test_a_pipe_that_another_process_fills_blocks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    monkeypatch.setattr(output, "_is_writable", lambda: True)  # as if the other process came in between
    other = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(other, LINE)
    begin = time.monotonic()
    output.write_all([LINE])
    assert time.monotonic() - begin < 1
    assert output.dropped == 1
    assert os.read(reading, 5) == LINE[:5]


def test_a_reader_that_is_gone_stops_nothing() -> None:
    reading, writing = os.pipe()
    output = LineOutput(writing)
    os.close(reading)
    output.write_all([LINE])
    os.close(writing)
    output.write_all([LINE])
    assert output.dropped == 2


def test_a_full_disk_stops_nothing() -> None:
    output = LineOutput(os.open("/dev/full", os.O_WRONLY))
    output.write_all([LINE])
    assert output.dropped == 1


def test_groups_of_lines_stay_whole_in_a_pipe() -> None:
    lines = [b"x" * size + b"\n" for size in (3000, 1000, 200, 5000, 1, 4094, 1)]
    groups = list(group_lines(lines))
    assert [line for group in groups for line in group] == lines
    assert all(len(group) == 1 or sum(map(len, group)) <= MAX_ATOMIC_BYTES for group in groups)
