"""A cross-encoder's body in 8 bits, by OpenVINO, for processors that multiply bytes (VNNI) but have no units for bfloat16.

Weights get 8 bits a channel, with a zero point; activations 8 bits in groups of 32 as they come, so nothing is calibrated. The
last layers stay in float32. Why so: docs/performance_limits.md.
"""

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from hnhub.errors import MissingExtra, UsageError

__all__ = ["GROUP", "in_eight_bits", "need_vnni"]

GROUP = 32
"""Activations that share a scale. Another number gives other scores, so it is part of the stages' fingerprints."""
_HEADS = ("pooler", "classifier", "score", "head")
"""Parts of modules' names. A logit from 8 bits would make ties."""


def need_vnni(device: str) -> None:
    """Raise UsageError where products of bytes are no faster than others, MissingExtra without OpenVINO."""
    import torch

    has = torch.cpu.get_capabilities() if device == "cpu" and hasattr(torch.cpu, "get_capabilities") else {}
    if not (has.get("avx512_vnni") or has.get("avx_vnni")):
        raise UsageError(
            f"--precision int8: {device} has no units for products of bytes (VNNI), so it would be slower than fp32",
            do="take auto, or a processor that has them",
        )
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise MissingExtra("openvino", extra="int8") from error


def in_eight_bits(model: Any, example: Any, threads: int) -> Callable[..., Any]:
    """What computes a transformers model's logits as its `forward` would; `example` is some input of it.

    Raises UsageError if the model can't be converted.
    """
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    names = list(example)

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is Any here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            return self.model(**dict(zip(names, values, strict=True))).logits

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # tracing warns of every branch and that it is old; OpenVINO reads nothing newer as well
            traced = torch.jit.trace(Logits(), tuple(example[name] for name in names), strict=False)
        # Not `openvino.convert_model`, which reports its use to Intel.
        frontend, decoder = FrontEndManager().load_by_framework("pytorch"), TorchScriptPythonDecoder(traced)
        graph = frontend.convert(frontend.load(decoder))
    except Exception as error:
        raise UsageError(
            f"--precision int8: a {type(model).__name__} can't be converted ({type(error).__name__})", do="take fp32"
        ) from error
    _narrow(graph)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": GROUP,
    }
    compiled = openvino.Core().compile_model(graph, "CPU", settings)

    def forward(**values: Any) -> SimpleNamespace:
        (logits,) = compiled([values[name].numpy() for name in names]).values()
        return SimpleNamespace(logits=torch.from_numpy(np.array(logits)))

    return forward


def _narrow(graph: Any) -> None:
    """Put bytes, a scale and a zero point a channel in the place of a linear layer's weights."""
    from openvino import opset13

    for product in graph.get_ordered_ops():
        if product.get_type_name() != "MatMul" or any(part in product.get_friendly_name() for part in _HEADS):
            continue
        weights = product.input_value(1).get_node()
        if weights.get_type_name() != "Constant" or not product.get_attributes()["transpose_b"]:
            continue
        exact = weights.data
        low = np.minimum(exact.min(axis=1, keepdims=True), 0)
        scale = np.maximum(np.maximum(exact.max(axis=1, keepdims=True), 0) - low, 1e-9).astype(np.float32) / 255
        zero = np.round(-low / scale)
        narrow = np.clip(np.round(exact / scale) + zero, 0, 255).astype(np.uint8)
        centred = opset13.subtract(
            opset13.convert(opset13.constant(narrow), "f32"),
            opset13.convert(opset13.constant(zero.astype(np.uint8)), "f32"),
        )
        product.input(1).replace_source_output(opset13.multiply(centred, opset13.constant(scale)).output(0))
