"""What the C library does with memory that is freed."""

import ctypes

M_MMAP_THRESHOLD = -3  # Of mallopt(3).
LARGE_BLOCK_BYTES = 256 * 1024


def return_large_blocks() -> None:
    """Have glibc give each large block back to the system when it is freed.

    Unless it is told so, glibc keeps blocks of up to 32 MB once one of that size has been freed, and a few large
    responses leave 100 MB that nothing uses. Without glibc nothing is done.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
