"""What the C library does with memory that is freed. Without glibc nothing is done."""

import ctypes
from functools import cache
from typing import Any

M_MMAP_THRESHOLD = -3  # Of mallopt(3).
LARGE_BLOCK_BYTES = 256 * 1024
MOST_FREE_BYTES = 16 * 1024 * 1024
FIGURES = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"


class HeapFigures(ctypes.Structure):
    """What mallinfo2(3) tells, in bytes or blocks. `fordblks` are the free bytes of the heap."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIGURES]


def return_large_blocks() -> None:
    """Have glibc give each large block back to the system when it is freed.

    Unless it is told so, glibc keeps blocks of up to 32 MB once one of that size has been freed, and a few large
    responses leave 100 MB that nothing uses.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def return_free_memory() -> None:
    """Give back what small blocks have left free between others, if it is much, which takes some milliseconds."""
    library = load_library()
    if library is not None and library.mallinfo2().fordblks > MOST_FREE_BYTES:
        library.malloc_trim(0)


@cache
def load_library() -> Any:
    """The C library, None where it has no figures of its heap: they are new in glibc 2.33."""
    library = ctypes.PyDLL(None)
    if not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = HeapFigures
    return library
