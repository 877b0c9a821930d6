"""Memory that is freed goes back to the system where the C library can be told to."""

import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.web.serving import memory
from app.web.serving.memory import MOST_FREE_BYTES, load_library, return_free_memory

PAGE_BYTES = 4096


@pytest.mark.parametrize(("free", "times"), [(MOST_FREE_BYTES, 0), (MOST_FREE_BYTES + 1, 1)])
def test_much_free_memory_is_given_back(monkeypatch: pytest.MonkeyPatch, free: int, times: int) -> None:
    trimmed: list[int] = []
    library = SimpleNamespace(mallinfo2=lambda: SimpleNamespace(fordblks=free), malloc_trim=trimmed.append)
    monkeypatch.setattr(memory, "load_library", lambda: library)
    return_free_memory()
    assert trimmed == [0] * times


def test_without_figures_of_the_library_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "load_library", lambda: None)
    return_free_memory()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 or newer has these figures")
def test_small_blocks_that_are_free_between_others_are_given_back() -> None:
    library = load_library()
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    blocks = [library.malloc(10_000) for _ in range(6_000)]
    for block in blocks[:-1]:
        ctypes.memset(block, 1, 10_000)
        library.free(block)
    assert library.mallinfo2().fordblks > MOST_FREE_BYTES
    before = read_resident_bytes()
    return_free_memory()
    after = read_resident_bytes()
    library.free(blocks[-1])
    assert before - after > MOST_FREE_BYTES


def read_resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
