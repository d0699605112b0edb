import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub import schema
from hnhub.errors import InputError
from hnhub.negatives import cross_encoder
from hnhub.records import contents
from hnhub.score import pair_scorer
from hnhub.score.journal import ScoreJournal, pair_key
from small_miners import PASSAGES, QUERIES, mining, write_cross_encoder, write_inputs, write_ranking

RANKINGS = {
    "bm25": {"q1": ["rain", "moon", "paris", "steel"], "q2": ["steel", "rain"], "q3": ["moon", "rain", "bread"]},
    "dense": {"q1": ["moon", "paris"], "q2": ["moon", "steel"], "q3": ["cells"]},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_cross_encoder(tmp_path_factory.mktemp("ce"))


@pytest.fixture
def inputs(tmp_path):
    documents, queries = write_inputs(tmp_path)
    sources = {name: write_ranking(tmp_path / f"{name}.parquet", ranking) for name, ranking in RANKINGS.items()}
    return {"documents": documents, "queries": queries, "sources": sources}


def make(folder: Path, inputs, **changes):
    out = folder / "out"
    out.mkdir(parents=True)
    facts = cross_encoder.make_candidates(
        out, folder / "work", mining(folder, "ce", **{**inputs, "depth": 3, **changes})
    )
    return facts, pl.read_parquet(out / "candidates.parquet")


def test_rows_are_ranked_by_raw_logits(inputs, tiny, tmp_path, monkeypatch):
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    # A folder of its own, since scorers are kept; and not in bfloat16 where the CPU has units for it.
    monkeypatch.setattr("hnhub.score.pair_scorer.body_dtype", lambda device: "float32")
    tiny = shutil.copytree(tiny, tmp_path / "tiny")
    facts, rows = make(tmp_path / "run", inputs, cross_encoder=str(tiny))
    assert rows.schema == schema.CANDIDATES
    pairs = [
        (QUERIES[query][0], contents(*PASSAGES[document]))
        for query, document in rows.select("query_id", "document_id").iter_rows()
    ]
    logits = CrossEncoder(str(tiny), device="cpu", activation_fn=Identity()).predict(pairs, show_progress_bar=False)
    np.testing.assert_allclose(rows["score"], logits, atol=1e-5)
    assert (rows["score"] < 0).any()
    assert rows["query_id"].unique(maintain_order=True).to_list() == list(QUERIES)
    for _, group in rows.drop_nulls("rank").group_by("query_id"):
        assert group["rank"].to_list() == list(range(1, len(group) + 1))
        assert group["score"].is_sorted(descending=True)
    provenance = rows["provenance"][0]
    assert (provenance["method"], provenance["model"], provenance["corpus_revision"]) == ("ce", "tiny", "r1")
    assert provenance["revision"].startswith("sha256:")
    assert (facts["pairs"], facts["scored"], facts["dtype"]) == (len(rows), len(rows), "float32")
    assert str(tmp_path) not in str(facts)


def test_sources_are_united_and_the_positive_is_always_scored(inputs, tiny, tmp_path):
    _, rows = make(tmp_path / "run", inputs, cross_encoder=tiny)
    found = {key[0]: sorted(group["document_id"]) for key, group in rows.drop_nulls("rank").group_by("query_id")}
    # By rank, bm25 before dense: q1 rain, moon, (moon, paris), q2 steel, moon, rain, q3 moon, cells, rain.
    assert found == {"q1": ["moon", "paris", "rain"], "q2": ["moon", "rain", "steel"], "q3": ["cells", "moon", "rain"]}
    positives = rows.filter(pl.col("label") == 1)
    assert positives["document_id"].to_list() == ["paris", "bread", "cells"]
    assert positives["score"].null_count() == 0
    unfound = positives.filter(pl.col("query_id") == "q2")
    assert unfound["rank"].to_list() == [None]
    assert rows.filter(pl.col("query_id") == "q2")["document_id"][-1] == "bread"


def test_the_same_bytes_again_and_with_several_devices(inputs, tiny, tmp_path, monkeypatch):
    make(tmp_path / "one", inputs, cross_encoder=tiny)
    monkeypatch.setattr(cross_encoder, "devices", lambda: ["cpu", "cpu"])
    monkeypatch.setattr(cross_encoder, "token_budget", lambda device: 60)
    make(tmp_path / "two", inputs, cross_encoder=tiny)
    one, two = (pl.read_parquet(tmp_path / name / "out" / "candidates.parquet") for name in ("one", "two"))
    assert one.drop("score").equals(two.drop("score"))
    np.testing.assert_allclose(one["score"], two["score"], atol=1e-5)
    make(tmp_path / "three", inputs, cross_encoder=tiny)
    files = [(tmp_path / name / "out" / "candidates.parquet").read_bytes() for name in ("two", "three")]
    assert files[0] == files[1]


CHILD = """
import sys, time
from pathlib import Path
from hnhub.negatives import cross_encoder
from hnhub.negatives.mining import Mining
from hnhub.records import Recipe
from hnhub.score import pair_scorer
plain = pair_scorer.PairScorer.score
def slow(self, pairs):
    time.sleep(0.2)
    return plain(self, pairs)
pair_scorer.PairScorer.score = slow
cross_encoder.token_budget = lambda device: 60
folder, model = Path(sys.argv[1]), sys.argv[2]
(folder / "killed" / "out").mkdir(parents=True)
cross_encoder.make_candidates(
    folder / "killed" / "out", folder / "killed" / "work", Mining(
        method="ce", recipe=Recipe("tiny", depth=3, cross_encoder=model), corpus_revision="r1",
        documents=folder / "documents.parquet", queries=folder / "queries.parquet",
        sources={name: folder / f"{name}.parquet" for name in ("bm25", "dense")},
    )
)
"""


def test_after_kill_9_only_what_is_missing_is_sent(inputs, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_encoder, "token_budget", lambda device: 60)
    facts, _ = make(tmp_path / "plain", inputs, cross_encoder=tiny)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), tiny])
    journal = None
    while child.poll() is None:
        journal = next((tmp_path / "killed").rglob("scores-*.txt"), None)
        if journal and journal.read_bytes().count(b"\n") >= 3:
            break
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert journal is not None
    done = journal.read_bytes().count(b"\n")
    assert 3 <= done < facts["pairs"]
    with journal.open("ab") as file:
        file.write(b"cut off in the mid")
    sent = []
    plain = pair_scorer.PairScorer.score
    monkeypatch.setattr(pair_scorer.PairScorer, "score", lambda self, pairs: sent.extend(pairs) or plain(self, pairs))
    (tmp_path / "killed" / "out").rename(tmp_path / "half")
    known = {name: facts[name] for name in ("dtype", "tau_to_float32", "decisions_kept")}
    monkeypatch.setattr(cross_encoder, "_agreement", lambda *_, **__: known)  # which scores its sample again
    resumed, _ = make(tmp_path / "killed", inputs, cross_encoder=tiny)
    assert len(sent) == facts["pairs"] - done
    assert resumed == facts
    files = [(tmp_path / name / "out" / "candidates.parquet").read_bytes() for name in ("plain", "killed")]
    assert files[0] == files[1]


def test_precision_is_chosen_told_and_held_against_float32(inputs, tiny, tmp_path, caplog):
    facts, exact = make(tmp_path / "32", inputs, cross_encoder=tiny, precision="fp32")
    assert (facts["dtype"], facts["tau_to_float32"], facts["decisions_kept"]) == ("float32", 1, 1)
    facts, rows = make(tmp_path / "16", inputs, cross_encoder=tiny, precision="bf16")
    assert facts["dtype"] == "bfloat16"
    assert 0 < facts["tau_to_float32"] <= 1
    assert 0 < facts["decisions_kept"] <= 1
    assert f"Kendall's tau to float32's scores is {facts['tau_to_float32']:.3f}" in caplog.text
    apart = np.abs(rows.sort("query_id", "document_id")["score"] - exact.sort("query_id", "document_id")["score"])
    assert 0 < apart.max() < 0.5


def test_agreement_where_nothing_is_a_candidate(inputs, tiny, tmp_path):
    empty = write_ranking(tmp_path / "empty.parquet", {})
    facts, _ = make(tmp_path, {**inputs, "sources": {"bm25": empty}}, cross_encoder=tiny, precision="bf16")
    assert (facts["dtype"], facts["tau_to_float32"], facts["decisions_kept"]) == ("bfloat16", 1, 1)


def test_what_can_not_score_is_refused(inputs, tmp_path):
    two = write_cross_encoder(tmp_path / "two", labels=2)
    with pytest.raises(InputError, match="2 labels"):
        make(tmp_path / "a", inputs, cross_encoder=two)
    with pytest.raises(InputError, match="no such folder"):
        cross_encoder.identity(str(tmp_path / "nothing"))


def test_candidates_of_another_corpus_are_refused(inputs, tiny, tmp_path):
    source = write_ranking(tmp_path / "other.parquet", {"q1": ["nowhere"]})
    with pytest.raises(InputError, match="no document nowhere"):
        make(tmp_path / "a", inputs, cross_encoder=tiny, sources={"bm25": source})


def test_a_lower_body_keeps_its_logit_in_float32(tiny):
    from hnhub.encode.models import resolve

    pairs = [(query, contents(*passage)) for query, _ in QUERIES.values() for passage in PASSAGES.values()]
    exact = pair_scorer.PairScorer(resolve(tiny), device="cpu", dtype="float32").score(pairs)
    lower = pair_scorer.PairScorer(resolve(tiny), device="cpu", dtype="bfloat16").score(pairs)
    assert np.corrcoef(exact, lower)[0, 1] > 0.95  # random weights; trained ones come nearer
    assert len(set(lower)) == len(set(exact))


def test_journal_gives_scores_back_bit_for_bit(tmp_path):
    keys = [pair_key("q", str(number)) for number in range(4)]
    values = [-11.25, 0.1, float(np.float32(1e-30)), -0.0]
    journal = ScoreJournal(tmp_path, "m")
    journal.add(dict(zip(keys, values, strict=True)))
    journal.close()
    again = ScoreJournal(tmp_path, "m")
    assert [again[key].hex() for key in keys] == [value.hex() for value in values]
    assert pair_key("q", "9") not in again
    again.close()


@pytest.fixture(scope="module")
def likelihood():
    from hnhub.llm.embedded import source_path
    from hnhub.score.query_likelihood import QueryLikelihood

    # Not in bfloat16, which a CPU that has units for it rounds otherwise for batches of another shape (1 % apart).
    return QueryLikelihood(source_path(), device="cpu", dtype="float32")


def test_local_finds_the_passage_that_answers(likelihood):
    pairs = [(query, contents(*passage)) for query, _ in QUERIES.values() for passage in PASSAGES.values()]
    scores = likelihood.score(pairs).reshape(len(QUERIES), len(PASSAGES))
    names = list(PASSAGES)
    assert [names[best] for best in scores.argmax(axis=1)] == ["paris", "bread", "cells"]
    assert (scores < 0).all()


def test_local_scores_hardly_depend_on_their_company(likelihood):
    pairs = [(query, contents(*PASSAGES["bread"])) for query, _ in QUERIES.values()]
    pairs += [("", "Nothing."), ("Why?", ""), ("long " * 300, "word " * 300)]
    together = likelihood.score(pairs)
    alone = np.concatenate([likelihood.score([pair]) for pair in pairs])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    batches = likelihood.batches(pairs * 3, 100)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(len(pairs) * 3))


def test_local_from_end_to_end(inputs, likelihood, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_encoder, "load_scorers", lambda *_: (likelihood,))
    facts, rows = make(tmp_path / "run", inputs, cross_encoder="local")
    assert rows.filter(pl.col("label") == 1, pl.col("query_id") == "q1")["rank"].to_list() == [1]
    assert (facts["scorer"], facts["model"]) == ("query likelihood", "SmolLM2-135M-Instruct.Q4_1")
    assert cross_encoder.identity("local") == {"model": facts["model"], "revision": facts["revision"]}


@pytest.mark.slow
def test_local_computes_what_transformers_computes(likelihood):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hnhub.llm.embedded import source_path
    from hnhub.score import query_likelihood as module

    path = source_path()
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    query, document = "how is bread made?", "Bread is made of flour, water and 1234 grains — naïvely."
    before, text, after = (tokenizer(part).input_ids for part in (module._BEFORE, document, module._AFTER))
    prefix, asked = before + text + after, tokenizer(" " + query).input_ids
    with torch.inference_mode():
        found = model(torch.tensor([prefix + asked])).logits[0].log_softmax(-1)
    expected = np.mean([found[len(prefix) + at - 1, token].item() for at, token in enumerate(asked)])
    np.testing.assert_allclose(likelihood.score([(query, document)]), [expected], atol=1e-3)
