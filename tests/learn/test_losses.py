"""Our losses against sentence-transformers', where it has them, and by hand where it does not."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import util
from sentence_transformers.sentence_transformer import losses
from torch.nn import functional

from hnhub.learn.losses import row_loss
from hnhub.learn.options import TrainSettings
from hnhub.learn.row_ids import number_rows

SIX = pl.DataFrame(
    {
        "query": [f"question {word}" for word in ("one", "two", "three", "four", "five", "six")],
        "positive": [f"{word} is the first answer" for word in ("kettle", "river", "violin", "glacier", "lamp", "owl")],
        "negative_1": [f"nothing on {word} here" for word in ("tea", "boats", "music", "ice", "light", "birds")],
    }
)


def made(rows, seed=0, **settings):
    """A loss over rows without a guide, the embeddings of its columns, and labels without scores."""
    given = TrainSettings(temperature=0.1, **{"masking": "known", **settings})
    loss = row_loss(torch.nn.Identity(), given, number_rows(rows), teacher_temperature=1.0, cached=False)
    generator = torch.Generator().manual_seed(seed)
    columns = [column for column in rows.columns if column != "label"]
    embeddings = [torch.randn(rows.height, 8, generator=generator, requires_grad=True) for _ in columns]
    return loss, embeddings, torch.arange(rows.height)[:, None].float()


@pytest.mark.parametrize(
    ("loss_name", "mode"),
    [
        ("lsepair", None),
        *(("ranking", mode) for mode in (None, "in_batch_negatives", "hard_negatives", "all_negatives")),
    ],
)
def test_ranking_is_that_of_sentence_transformers(loss_name, mode):
    loss, embeddings, labels = made(SIX, loss=loss_name, hardness_mode=mode, hardness_strength=3.0)
    theirs = losses.MultipleNegativesRankingLoss(
        torch.nn.Identity(), scale=10.0, hardness_mode=mode, hardness_strength=3.0 if mode else 0.0
    ).compute_loss_from_embeddings(embeddings, labels)
    torch.testing.assert_close(loss.whole(embeddings, labels), theirs)


def test_distillation_is_that_of_sentence_transformers():
    scores = torch.randn(6, 2, generator=torch.Generator().manual_seed(3))

    def cosine(a, b):
        return 10 * util.pairwise_cos_sim(a, b)

    loss, embeddings, labels = made(SIX, loss="kl")
    told = torch.cat([labels, scores], dim=1)
    theirs = losses.DistillKLDivLoss(torch.nn.Identity(), similarity_fct=cosine)
    torch.testing.assert_close(loss.whole(embeddings, told), theirs.compute_loss_from_embeddings(embeddings, scores))
    loss, embeddings, _ = made(SIX, loss="margin-mse")
    theirs = losses.MarginMSELoss(torch.nn.Identity(), similarity_fct=cosine)
    margins = scores[:, :1] - scores[:, 1:]
    torch.testing.assert_close(loss.whole(embeddings, told), theirs.compute_loss_from_embeddings(embeddings, margins))
    mixed, embeddings, _ = made(SIX, loss="mix", mix=0.25)
    parts = [made(SIX, loss=name)[0].whole(embeddings, told) for name in ("kl", "ranking")]
    torch.testing.assert_close(mixed.whole(embeddings, told), 0.25 * parts[0] + 0.75 * parts[1])


def test_what_has_no_score_is_left_out_of_distillation():
    three = SIX.with_columns(pl.col("negative_1").str.replace("nothing", "some").alias("negative_2"))
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(3))
    for name in ("kl", "margin-mse"):
        loss, embeddings, labels = made(three, loss=name)
        holed = scores.clone()
        holed[:, 2] = float("nan")
        two, _, _ = made(SIX, loss=name)
        expected = two.whole(embeddings[:3], torch.cat([labels, scores[:, :2]], dim=1))
        found = loss.whole(embeddings, torch.cat([labels, holed], dim=1))
        torch.testing.assert_close(found, expected)
        found.backward()
        assert all(torch.isfinite(one.grad).all() for one in embeddings)
        nothing = torch.full_like(scores, float("nan"))
        assert loss.whole(embeddings, torch.cat([labels, nothing], dim=1)) == 0


def test_known_positives_and_their_copies_are_no_negatives():
    """Rows 0 and 1 ask the same; row 2's negative is nearly row 3's positive."""
    rows = SIX.with_columns(
        query=pl.Series(["question one", "Question one!", *SIX["query"][2:]]),
        negative_1=pl.Series([*SIX["negative_1"][:2], "glacier is the first  answers", *SIX["negative_1"][3:]]),
    )
    loss, embeddings, labels = made(rows)
    query, *passages = (functional.normalize(one, dim=-1) for one in embeddings)
    logits = query @ torch.cat(passages).T / 0.1
    expected = logits.clone()
    for row, column in ((0, 1), (1, 0), (3, 6 + 2)):
        expected[row, column] = -torch.inf
    torch.testing.assert_close(
        loss.whole(embeddings, labels), functional.cross_entropy(expected, torch.arange(6)), atol=1e-5, rtol=1e-5
    )
    unmasked, _, _ = made(rows, masking="none")
    torch.testing.assert_close(
        unmasked.whole(embeddings, labels), functional.cross_entropy(logits, torch.arange(6)), atol=1e-5, rtol=1e-5
    )


def test_what_the_model_found_nearer_than_the_positive_is_masked_when_asked():
    settings, ids = TrainSettings(temperature=0.1, masking="similar"), number_rows(SIX)
    rng = np.random.default_rng(0)
    guide = tuple(
        (v / np.linalg.norm(v, axis=1, keepdims=True)).astype(np.float32)
        for v in (rng.normal(size=(6, 8)), rng.normal(size=(12, 8)))
    )
    loss = row_loss(torch.nn.Identity(), settings, ids, teacher_temperature=1.0, cached=False, guide=guide)
    _, embeddings, labels = made(SIX)
    query, *passages = (functional.normalize(one, dim=-1) for one in embeddings)
    logits = query @ torch.cat(passages).T / 0.1
    near = torch.from_numpy(guide[0] @ guide[1].T)
    logits[near > near.diagonal()[:6, None]] = -torch.inf
    torch.testing.assert_close(loss.whole(embeddings, labels), functional.cross_entropy(logits, torch.arange(6)))


def test_lsepair_takes_every_positive_of_a_row_and_of_the_batch():
    rows = SIX.with_columns(positive_2=SIX["positive"].reverse()).select(
        "query", "positive", "positive_2", "negative_1"
    )
    loss, embeddings, labels = made(rows, loss="lsepair")
    query, *passages = (functional.normalize(one, dim=-1) for one in embeddings)
    near = query @ torch.cat(passages).T / 0.1
    expected = []
    for row in range(6):
        good = [row, 5 - row, 6 + row, 6 + 5 - row]  # both columns hold both texts
        bad = [at for at in range(18) if at not in good]
        expected.append(torch.log1p(sum(near[row, n].exp() * (-near[row, p]).exp() for n in bad for p in good)))
    torch.testing.assert_close(loss.whole(embeddings, labels), torch.stack(expected).mean(), atol=1e-5, rtol=1e-5)


@given(st.integers(0, 5), st.floats(-3, 3))
def test_a_masked_passage_moves_nothing(row, shift):
    rows = SIX.with_columns(negative_1=pl.lit("kettle is the first answer"))  # row 0's positive, everywhere
    loss, embeddings, labels = made(rows)
    others = torch.ones(6, dtype=torch.bool)
    with torch.no_grad():
        embeddings[2][row] += shift
    loss.whole(embeddings, labels).backward()
    others[0] = False
    gradient = embeddings[0].grad
    assert torch.isfinite(gradient).all()
    again, moved, _ = made(rows)
    again.whole(moved, labels).backward()
    torch.testing.assert_close(moved[0].grad[0], gradient[0])  # query 0 knows the passage


@pytest.mark.parametrize("name", ["ranking", "mix"])
def test_the_cache_changes_neither_loss_nor_gradient(tiny_bert, name):
    from sentence_transformers import SentenceTransformer

    labels = torch.cat([torch.arange(6)[:, None], torch.randn(6, 2, generator=torch.Generator().manual_seed(1))], dim=1)
    found = []
    for cached in (True, False):
        model = SentenceTransformer(tiny_bert, device="cpu").eval()  # no dropout
        settings = TrainSettings(temperature=0.1, loss=name, mini_batch=4, masking="known")
        loss = row_loss(model, settings, number_rows(SIX), teacher_temperature=1.0, cached=cached)
        value = loss([model.preprocess(SIX[column].to_list()) for column in SIX.columns], labels)
        value.backward()
        found.append((value.detach(), [one.grad for one in model.parameters() if one.grad is not None]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
