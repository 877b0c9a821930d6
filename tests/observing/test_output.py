"""Whoever reads the log, or stops to, the service goes on."""

import os
import time

from app.observing.output import MOST_BYTES_WHOLE, LineOutput, gather_lines

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
    groups = list(gather_lines(lines))
    assert [line for group in groups for line in group] == lines
    assert all(len(group) == 1 or sum(map(len, group)) <= MOST_BYTES_WHOLE for group in groups)
