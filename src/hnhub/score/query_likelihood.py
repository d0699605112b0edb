"""Query likelihood: how probable a small language model finds the query after it has read the passage.

The mean of log p(query token | passage, earlier query tokens): the unsupervised passage reranker of Sachan et al. 2022
(Improving Passage Retrieval with Zero-Shot Question Generation, arXiv 2204.07496). Scores are negative; nearer to 0 is better.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hnhub.encode.batches import Batch
from hnhub.encode.devices import Dtype, body_dtype
from hnhub.score import llama

if TYPE_CHECKING:
    import torch

__all__ = ["PASSAGE_TOKENS", "QueryLikelihood"]

PASSAGE_TOKENS = 64
"""A passage is cut here: what follows costs time in proportion and changes the order little."""
_QUERY_TOKENS = 128
_BEFORE, _AFTER = "Passage: ", "\nPlease write a question based on this passage.\nQuestion:"
_UNIT_TOKENS = 512
"""Queries share one reading of their passage up to this many tokens, because attention costs their square."""
_ROWS = 256
"""Rows of logits at a time: each is a whole vocabulary."""


class QueryLikelihood:
    """Scores (query, document) pairs under a language model."""

    def __init__(self, path: Path, *, device: str, dtype: Dtype | None = None) -> None:
        self.dtype = dtype or body_dtype(device)
        self._device = device
        self._model = llama.load(path, device=device, dtype=self.dtype)
        self._before, self._after = self._ids([_BEFORE, _AFTER])

    @property
    def weight_bytes(self) -> int:
        """Memory that the weights take."""
        weights = [self._model.embedding, *(matrix for layer in self._model.layers for matrix in layer.values())]
        return sum(matrix.numel() * matrix.element_size() for matrix in weights)

    def batches(self, pairs: Sequence[tuple[str, str]], budget: int) -> list[Batch]:
        """Pairs of the same document together, batches of about `budget` tokens in all."""
        queries = [min(len(ids), _QUERY_TOKENS) for ids in self._ids([query for query, _ in pairs])]
        documents = [min(len(ids), PASSAGE_TOKENS) for ids in self._ids([document for _, document in pairs])]
        template = len(self._before) + len(self._after)
        order = sorted(range(len(pairs)), key=lambda i: (documents[i], pairs[i][1], i))
        batches: list[tuple[list[int], list[int]]] = []
        used, document = budget, None
        for i in order:
            shared = pairs[i][1] == document
            cost = queries[i] + (0 if shared else documents[i] + template)
            if used + cost > budget:
                batches.append(([], []))
                used, cost = 0, queries[i] + documents[i] + template
            batches[-1][0].append(i)
            batches[-1][1].append(cost)
            used, document = used + cost, pairs[i][1]
        return [Batch(np.array(rows, dtype=np.intp), sum(costs)) for rows, costs in batches]

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Mean log-probability [n], in nats a token, of each query after its document."""
        import torch

        queries = [ids[:_QUERY_TOKENS] for ids in self._ids([" " + query.strip() for query, _ in pairs])]
        units = self._units(pairs, [len(ids) for ids in queries])
        with torch.inference_mode():
            packed, places, tokens = self._pack(units, queries)
            found = self._log_probabilities(self._model.hidden(packed)[places], tokens)
        owners = np.repeat(
            [i for _, members in units for i in members], [len(queries[i]) for _, ms in units for i in ms]
        )
        return np.bincount(owners, weights=found, minlength=len(pairs)) / [len(ids) for ids in queries]

    def _units(self, pairs: Sequence[tuple[str, str]], lengths: list[int]) -> list[tuple[list[int], list[int]]]:
        """What is read in one go: the tokens up to the query, and the pairs whose queries follow them."""
        texts = list(dict.fromkeys(document for _, document in pairs))
        prefixes = {
            text: [*self._before, *ids[:PASSAGE_TOKENS], *self._after]
            for text, ids in zip(texts, self._ids(texts), strict=True)
        }
        members: dict[str, list[int]] = {text: [] for text in texts}
        for i, (_, document) in enumerate(pairs):
            members[document].append(i)
        units: list[tuple[list[int], list[int]]] = []
        for text in texts:
            used = _UNIT_TOKENS
            for i in members[text]:
                if used + lengths[i] > _UNIT_TOKENS:
                    units.append((prefixes[text], []))
                    used = len(prefixes[text])
                units[-1][1].append(i)
                used += lengths[i]
        return units

    def _pack(
        self, units: list[tuple[list[int], list[int]]], queries: list[list[int]]
    ) -> "tuple[llama.Packed, torch.Tensor, torch.Tensor]":
        """The packed input; the places from which a query token is predicted; those tokens."""
        import torch

        tokens: list[int] = []
        positions: list[int] = []
        places: list[int] = []
        targets: list[int] = []
        masks = []
        for prefix, members in units:
            start, last = len(tokens), len(tokens) + len(prefix) - 1
            tokens += prefix
            positions += range(len(prefix))
            # The last token of a query predicts nothing that is asked for, so it is not read.
            blocks = [queries[i][:-1] for i in members]
            for i, block in zip(members, blocks, strict=True):
                places += [last, *range(len(tokens), len(tokens) + len(block))]
                targets += queries[i]
                positions += range(len(prefix), len(prefix) + len(block))
                tokens += block
            own = torch.block_diag(*(torch.ones(size, size) for size in (len(prefix), *map(len, blocks)))).bool()
            own[:, : len(prefix)] = True
            assert len(own) == len(tokens) - start
            masks.append(own.tril().to(self._device))
        tensors = (torch.tensor(values, device=self._device) for values in (tokens, positions, places, targets))
        at, where, place, target = tensors
        return llama.Packed(at, where, masks), place, target

    def _log_probabilities(self, hidden: "torch.Tensor", tokens: "torch.Tensor") -> NDArray[np.float64]:
        import torch

        parts = []
        for rows, wanted in zip(hidden.split(_ROWS), tokens.split(_ROWS), strict=True):
            logits = (rows @ self._model.embedding.T).float()
            parts.append(logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(1))
        found: NDArray[np.float64] = torch.cat(parts).double().cpu().numpy()
        return found

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._model.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
