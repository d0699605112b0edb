"""Where a model runs and in which dtype: bfloat16 only where the device multiplies it faster than float32."""

import os
from typing import Any, Literal

from hnhub.records import Precision

__all__ = ["Dtype", "body_dtype", "chosen_dtype", "devices", "dtype_of", "token_budget"]

Dtype = Literal["float32", "bfloat16", "float16", "int8"]
"""What a body computes in. hnhub itself chooses among the first two; an object may come in the third, the last is asked for."""


def devices() -> list[str]:
    """Every GPU, or else the one device that torch has: `mps` or `cpu`."""
    # OpenMP reads it when torch is first imported. Its threads spin while they wait, and where another process wants the
    # core they spin against it: small batches took 3 to 8 times the CPU time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # So that a matrix product has the same bits for any number of threads (oneMKL's strict conditional reproducibility).
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    import torch

    if torch.cuda.is_available():
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["mps" if torch.backends.mps.is_available() else "cpu"]


def body_dtype(device: str) -> Dtype:
    """`bfloat16` where the hardware has units for it (GPUs since Ampere, CPUs with AMX or AVX-512 BF16), else `float32`.

    Elsewhere torch emulates it, several times slower than float32.
    """
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float32"
    if device != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return "float32"
    has = torch.cpu.get_capabilities()
    return "bfloat16" if has.get("amx_bf16") or has.get("avx512_bf16") else "float32"


def chosen_dtype(precision: Precision) -> Dtype | None:
    """What the user asked for; None leaves it to the device, or to the object that a model is."""
    dtypes: dict[Precision, Dtype] = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}
    return dtypes.get(precision)


def dtype_of(model: Any) -> Dtype:
    """What a model in memory computes in, as its first weights say."""
    weights = next((one for one in model.parameters() if one.is_floating_point()), None)
    names: tuple[Dtype, ...] = ("bfloat16", "float16")
    return next((name for name in names if weights is not None and str(weights.dtype) == f"torch.{name}"), "float32")


def token_budget(device: str) -> int:
    """Tokens in a batch: what keeps a GPU busy; on a CPU what stays near its caches."""
    return 65_536 if device.startswith("cuda") else 2_048
