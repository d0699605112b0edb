"""The losses of a bi-encoder over rows of query, positives, negatives and a teacher's scores. Cosine throughout.

A row's label is its number, then a score for each passage (NaN where there is none).
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hnhub.learn.options import TrainSettings
from hnhub.learn.row_ids import RowIds

__all__ = ["row_loss"]

_NEVER = -1e4
"""A logit that adds nothing to a softmax in single precision; finite, so that gradients stay numbers."""

Floats = npt.NDArray[np.floating[Any]]


def row_loss(
    model: Any,
    settings: TrainSettings,
    ids: RowIds,
    *,
    teacher_temperature: float,
    cached: bool,
    guide: tuple[Floats, Floats] | None = None,
) -> Any:
    """The loss that the settings name, as a module for sentence-transformers' trainer.

    `guide` holds unit vectors of the numbered queries and passages by the model before training, for `masking` "similar".
    `cached` takes GradCache's way: the same loss and gradients, in the memory of a mini-batch.
    """
    plain, with_cache = _modules()
    loss = (with_cache if cached else plain)(model, settings, ids, teacher_temperature, guide)
    if not settings.matryoshka:
        return loss
    from sentence_transformers.sentence_transformer import losses

    return losses.MatryoshkaLoss(model, loss, list(settings.matryoshka))


@lru_cache(1)
def _modules() -> tuple[type, type]:  # noqa: C901 - two classes, not one function
    """The modules' classes, made when torch is there."""
    import torch
    from sentence_transformers.base.losses.gradcache import CachedLossMixin
    from sentence_transformers.base.losses.merged_forward import embed_columns
    from sentence_transformers.util import all_gather, all_gather_with_grad
    from torch.nn import functional

    class RowLoss(torch.nn.Module):  # type: ignore[misc]
        def __init__(
            self, model: Any, settings: TrainSettings, ids: RowIds, teacher: float, guide: tuple[Floats, Floats] | None
        ) -> None:
            super().__init__()
            self.model = model
            self.settings, self.teacher_temperature, self.passage_count = settings, teacher, ids.passage_count
            self.mini_batch_size = settings.mini_batch
            tables: dict[str, npt.NDArray[Any]] = {
                "query_ids": ids.queries,
                "passage_ids": ids.passages,
                "answers": ids.answers,
            }
            if guide is not None:
                tables |= {"guide_queries": guide[0], "guide_passages": guide[1]}
            for name, values in tables.items():
                self.register_buffer(name, torch.from_numpy(np.array(values)), persistent=False)

        def forward(self, sentence_features: Any, labels: Any) -> Any:
            return self.whole(embed_columns(self.model, sentence_features), labels)

        def whole(self, embeddings: list[Any], labels: Any) -> Any:
            """The loss of a batch, from the embeddings of each column."""
            rows, scores = labels[:, 0].long(), labels[:, 1:]
            query, *passages = (functional.normalize(one.float(), dim=-1) for one in embeddings)
            kind, weight = self.settings.loss, self.settings.mix
            if kind in ("ranking", "lsepair"):
                return self.ranked(query, passages, rows)
            distilled = self.distilled(query, passages, scores)
            return (
                distilled if kind != "mix" else weight * distilled + (1 - weight) * self.ranked(query, passages, rows)
            )

        def ranked(self, query: Any, passages: list[Any], rows: Any) -> Any:
            """Tell each query's positives from every other passage of the batch, on all devices."""
            count, offset, everywhere = len(rows), 0, rows
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                offset = torch.distributed.get_rank() * count
                everywhere, passages = all_gather(rows), [all_gather_with_grad(one) for one in passages]
            world, shown = self.passage_ids[everywhere], torch.cat(passages)  # [world rows, columns], column by column
            numbers = world.T.reshape(-1)
            near = query @ shown.T
            here = torch.arange(count, device=rows.device)
            own = torch.zeros_like(near, dtype=torch.bool)
            own[here, offset + here] = True
            block = own[:, : len(world)].repeat(1, len(passages))  # the passages of a query's own row
            known = self.known(self.query_ids[rows], numbers)
            left_out = self.left_out(rows, numbers, own=own, block=block, known=known)
            logits = near / self.settings.temperature + self.hardness(near, own, block)
            logits = logits.masked_fill(left_out, _NEVER)
            if self.settings.loss != "lsepair":
                return functional.cross_entropy(logits, offset + here)
            copies = block & ~own & (numbers[None, :] == world[offset + here, 0][:, None])
            positive = (own | known) & ~copies
            against = torch.logsumexp((near / self.settings.temperature).masked_fill(known | left_out, _NEVER), dim=1)
            far = torch.logsumexp((-near / self.settings.temperature).masked_fill(~positive, _NEVER), dim=1)
            return functional.softplus(far + against).mean()

        def known(self, queries: Any, numbers: Any) -> Any:
            """Which passages are known to answer which queries, shape [queries, passages]."""
            wanted = queries[:, None] * self.passage_count + numbers[None, :]
            at = torch.searchsorted(self.answers, wanted).clamp(max=len(self.answers) - 1)
            return self.answers[at] == wanted

        def left_out(self, rows: Any, numbers: Any, *, own: Any, block: Any, known: Any) -> Any:
            """Passages that are taken for no negative; a row's own copies of its positives never are one."""
            masking = self.settings.masking
            found = known & ~own & (block if masking == "none" else torch.ones_like(block))
            if masking == "similar":
                near = self.guide_queries[self.query_ids[rows]].float() @ self.guide_passages[numbers].float().T
                found |= (near > near[own][:, None]) & ~own
            return found

        def hardness(self, near: Any, own: Any, block: Any) -> Any:
            """What is added to the logits of near negatives (Lan et al. 2025), as sentence-transformers does."""
            mode = self.settings.hardness_mode
            if mode is None:
                return 0.0
            weighed = {"in_batch_negatives": ~block, "hard_negatives": block & ~own, "all_negatives": ~own}[mode]
            return self.settings.hardness_strength * near.detach() * weighed

        def distilled(self, query: Any, passages: list[Any], scores: Any) -> Any:
            """The teacher's order and distances among a row's own passages; what has no score is left out."""
            near = torch.stack([(query * one).sum(dim=1) for one in passages], dim=1) / self.settings.temperature
            there = ~torch.isnan(scores)
            told = torch.where(there, scores, 0.0) / self.teacher_temperature
            if self.settings.loss == "margin-mse":
                both = (there[:, :1] & there[:, 1:]).float()
                error = (near[:, :1] - near[:, 1:]) - (told[:, :1] - told[:, 1:])
                return (both * error**2).sum() / both.sum().clamp(min=1)
            teacher = torch.log_softmax(told.masked_fill(~there, _NEVER), dim=1)
            student = torch.log_softmax(near.masked_fill(~there, _NEVER), dim=1)
            usable = (there.sum(dim=1) > 1).float()
            each = (teacher.exp() * (teacher - student)).sum(dim=1)
            return (usable * each).sum() / usable.sum().clamp(min=1)

    class CachedRowLoss(CachedLossMixin, RowLoss):  # type: ignore[misc]
        def forward(self, sentence_features: Any, labels: Any) -> Any:
            return self.forward_cached(list(sentence_features), labels)

        def calculate_loss(self, reps: list[list[Any]], labels: Any = None, *, with_backward: bool = False) -> Any:
            loss = self.whole([torch.cat(one) for one in reps], labels)
            if not with_backward:
                return loss
            loss.backward()
            return loss.detach()

    return RowLoss, CachedRowLoss
