"""Compiling: explicit signatures, the GIL released, machine code kept on disk."""

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled"]


def compiled(signature: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a kernel for one signature, or (None) a helper that the kernels of the same file call.

    numba keeps the machine code beside the source, or in the user's cache folder if that is read-only
    (NUMBA_CACHE_DIR overrides both). Where neither can be written the kernel is compiled in every process.
    """
    options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

    def compile_(function: Callable[..., Any]) -> Callable[..., Any]:
        kernel: Callable[..., Any]
        if signature is None:
            kernel = numba.njit(no_cpython_wrapper=True, **options)(function)
            return kernel
        try:
            kernel = numba.njit(signature, cache=True, **options)(function)
        except RuntimeError:  # numba: "cannot cache function: no locator available"
            kernel = numba.njit(signature, **options)(function)
        return kernel

    return compile_
