import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from hnhub.encode.encoder import Encoder
from hnhub.encode.models import resolve
from hnhub.errors import UsageError
from hnhub.learn import train, trainer
from hnhub.learn.evaluate import open_split
from hnhub.learn.leaks import check_leaks
from hnhub.learn.model_card import render_model_card
from hnhub.learn.options import DISTILLED, settings_for
from hnhub.learn.row_ids import number_rows
from hnhub.learn.search import score_by
from hnhub.learn.train import train_stage
from hnhub.learn.training_data import load_training_data
from hnhub.progress import listening
from hnhub.records import contents

FEW = {"batch": 8, "mini_batch": 4, "learning_rate": 0.05, "warmup": 0.0}


def losses(facts):
    return [entry["loss"] for entry in facts["history"] if "loss" in entry]


def test_loss_falls_and_the_held_out_metric_is_reported(make_dataset, static_model, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0.2)
    settings = settings_for(static_model, epochs=4, evaluations=2, patience=3, **FEW)
    record = train_stage(tmp_path / "model", data, resolve(static_model), settings, {"leaks": []})
    found = losses(record.facts)
    assert np.mean(found[-3:]) < 0.8 * np.mean(found[:3])
    held = record.facts["held_out"]
    assert set(held["before"]) == set(held["after"]) == {"nDCG@10", "MRR@10"}
    card = (tmp_path / "model/README.md").read_text()
    for expected in (
        "dataset | `things`, revision `files-",
        "config `bm25`",
        "wordllama",
        f"{held['after']['nDCG@10']:.4f}",
    ):
        assert expected in card
    assert str(tmp_path) not in card
    assert str(tmp_path) not in (tmp_path / "model/training.json").read_text()
    assert train_stage(tmp_path / "model", data, resolve(static_model), settings, {"leaks": []}) == record


def test_the_same_seed_gives_the_same_model_another_seed_another(make_dataset, tiny_bert, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", limit=16)
    hashes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        settings = settings_for(tiny_bert, epochs=2, seed=seed, **FEW)
        record = train_stage(tmp_path / name, data, resolve(tiny_bert), settings)
        hashes.append(record.files["model.safetensors"]["sha256"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    "options",
    [
        {"cached": True, "gradient_checkpointing": True},
        {"cached": False, "bf16": True},
        {"loss": "margin-mse", "temperature": 0.1},
        {"loss": "kl", "teacher_temperature": 2.0},
        {"loss": "mix", "candidates": 2, "cached": False},
        {"loss": "lsepair", "positives": "one"},
        {"masking": "similar", "hardness_mode": "all_negatives"},
        {"matryoshka": [32, 16], "masking": "none"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_every_loss_trains_a_transformer(make_dataset, tiny_bert, tmp_path, options):
    distil = options.get("loss") in DISTILLED
    candidates = options.get("candidates")
    data = load_training_data(
        str(make_dataset()), "bm25", distil=distil, candidates=candidates, held_out_share=0, limit=24
    )
    settings = settings_for(tiny_bert, epochs=4, normalise=True, **{**FEW, "learning_rate": 0.003, **options})
    record = train_stage(tmp_path / "model", data, resolve(tiny_bert), settings)
    found = losses(record.facts)
    assert np.mean(found[-3:]) < np.mean(found[:3])


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_weights_are_averaged_with_those_before(make_dataset, static_model, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0)
    for name, merge in (("alone", 0.0), ("half", 0.5)):
        settings = settings_for(static_model, epochs=1, merge=merge, **FEW)
        train_stage(tmp_path / name, data, resolve(static_model), settings)
    before, alone, half = (weights(Path(folder)) for folder in (static_model, tmp_path / "alone", tmp_path / "half"))
    (name,) = half
    assert not np.allclose(alone[name], before[name])
    np.testing.assert_allclose(half[name], (alone[name] + before[name]) / 2, atol=1e-6)


def test_adapters_are_trained_and_folded_in(make_dataset, tiny_bert, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0, limit=16)
    settings = settings_for(tiny_bert, epochs=3, lora=4, **{**FEW, "learning_rate": 0.01})
    train_stage(tmp_path / "model", data, resolve(tiny_bert), settings)
    before, after = weights(Path(tiny_bert)), weights(tmp_path / "model")
    assert set(before) == set(after)
    changed = {name for name in before if not np.allclose(before[name], after[name], atol=1e-6)}
    assert changed
    assert all(name.endswith("weight") and "embeddings" not in name for name in changed)
    assert Encoder(str(tmp_path / "model")).encode_queries(["a"]).shape == (1, 32)


def test_adapters_of_static_embeddings_are_refused(make_dataset, static_model, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", limit=8)
    with pytest.raises(UsageError, match="no layers for adapters"):
        train_stage(tmp_path / "m", data, resolve(static_model), settings_for(static_model, lora=4, **FEW))


@pytest.mark.parametrize("loss", ["ranking", "kl", "margin-mse"])
def test_a_reranker_is_trained_from_the_same_rows(make_dataset, tiny_bert, tmp_path, loss):
    data = load_training_data(str(make_dataset()), "bm25", distil=loss != "ranking", held_out_share=0.2)
    body = f"{tiny_bert}/../bert"
    settings = settings_for(
        body, kind="cross-encoder", loss=loss, epochs=3, max_length=32, **{**FEW, "learning_rate": 0.003}
    )
    record = train_stage(tmp_path / "model", data, resolve(body), settings)
    found = losses(record.facts)
    # Random weights of two layers learn no yes or no in 15 steps, but an order they do.
    assert np.isfinite(found).all() if loss == "ranking" else np.mean(found[-3:]) < np.mean(found[:3])
    before, after = weights(Path(body)), weights(tmp_path / "model")
    moved = [name for name in before if not np.allclose(before[name], after.get(f"bert.{name}", before[name]))]
    assert len(moved) > 10
    assert set(record.facts["held_out"]["after"]) == {"nDCG@10", "MRR@10"}
    assert "CrossEncoder" in (tmp_path / "model/README.md").read_text()
    scores = score_by(str(tmp_path / "model"))([("does rain fade the red kettle", "The red kettle fades in rain.")])
    assert np.isfinite(scores).all()


def test_an_interrupted_training_goes_on_from_its_checkpoint(make_dataset, static_model, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_APART", 1)
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0, limit=24)
    settings = settings_for(static_model, epochs=2, **FEW)
    seen = []

    def stop_at_four(event):
        if event.what == "training":
            seen.append(event.done)
        if seen[-1:] == [4]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop_at_four):
        train_stage(tmp_path / "model", data, resolve(static_model), settings)
    assert not (tmp_path / "model").exists()
    seen.clear()
    with listening(lambda event: seen.append(event.done) if event.what == "training" else None):
        resumed = train_stage(tmp_path / "model", data, resolve(static_model), settings)
    assert seen[0] == 4  # the first three were kept
    whole = train_stage(tmp_path / "whole", data, resolve(static_model), settings)
    assert resumed.files["model.safetensors"] == whole.files["model.safetensors"]


def test_what_masks_by_default_is_the_model_before_training_with_its_prefixes(
    make_dataset, static_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "_GUIDED", 5)
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0.2)
    asked = settings_for(static_model, query_prefix="what: ", document_prefix="text: ", evaluations=1, **FEW)
    model, settings = train._load(resolve(static_model), asked)
    loss = trainer.bi_encoder_trainer(model, data, settings, tmp_path)[0].loss
    ids = number_rows(pl.concat([data.rows, data.held_out]))
    before = Encoder(static_model, query_prompt="what: ", document_prompt="text: ")
    for found, expected in (
        (loss.guide_queries, before.encode_queries(list(ids.query_texts))),
        (loss.guide_passages, before.encode_documents(list(ids.passage_texts))),
    ):
        unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(found.float().numpy(), unit, atol=1e-3)


@pytest.mark.parametrize("options", [{"masking": "known"}, {"loss": "kl"}, {"loss": "margin-mse"}])
def test_nothing_is_encoded_where_nothing_is_masked_by_it(make_dataset, static_model, tmp_path, options):
    distil = options.get("loss") in DISTILLED
    data = load_training_data(str(make_dataset()), "bm25", distil=distil, held_out_share=0, limit=8)
    model, settings = train._load(resolve(static_model), settings_for(static_model, **FEW, **options))
    loss = trainer.bi_encoder_trainer(model, data, settings, tmp_path)[0].loss
    assert not hasattr(loss, "guide_queries")


@pytest.mark.slow
def test_prefixes_and_pooling_are_saved_with_the_model_and_honoured(make_dataset, tiny_bert, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", limit=8)
    settings = settings_for(tiny_bert, preset="e5", epochs=2, **FEW)
    assert (settings.preset, settings.temperature) == ("e5", 0.01)
    record = train_stage(tmp_path / "model", data, resolve(tiny_bert), settings)
    assert record.facts["settings"]["query_prefix"] == "query: "
    trained = Encoder(str(tmp_path / "model"))
    assert (trained.query_prompt, trained.document_prompt) == ("query: ", "passage: ")
    bare = Encoder(str(tmp_path / "model"), query_prompt="", document_prompt="")
    np.testing.assert_allclose(trained.encode_queries(["a"]), bare.encode_queries(["query: a"]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(trained.encode_queries(["a"])), 1, atol=1e-6)
    folder = str(tmp_path / "model")
    again = train_stage(
        tmp_path / "again", data, resolve(folder), settings_for(folder, document_prefix="p: ", epochs=2, **FEW)
    )
    assert again.facts["settings"]["preset"] == "plain"
    assert again.facts["settings"]["query_prefix"] == "query: "  # what is saved with a model is kept
    assert again.facts["settings"]["document_prefix"] == "p: "


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lerning_rate": 1}, "no training setting 'lerning_rate'"),
        ({"loss": "mse"}, "no loss 'mse'"),
        ({"batch": 0}, "above 0"),
        ({"merge": 1.0}, "is no share"),
        ({"masking": "some"}, "masking = 'some' is none of its values"),
        ({"kind": "cross-encoder", "loss": "mix"}, "a cross-encoder has no loss 'mix'"),
        ({"kind": "cross-encoder", "merge": 0.5}, "takes no matryoshka"),
        ({"patience": 2}, "early stopping needs evaluations"),
    ],
)
def test_bad_settings_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        settings_for("a", **given)


def test_the_card_says_when_nothing_was_measured(make_dataset, static_model, tmp_path):
    data = load_training_data(str(make_dataset()), "bm25", held_out_share=0, limit=8)
    leaks = [
        {
            "corpus": "things",
            "split": "test",
            "queries": 0,
            "positives": 3,
            "contaminated_queries": 2,
            "decontaminated": False,
        }
    ]
    record = train_stage(
        tmp_path / "model", data, resolve(static_model), settings_for(static_model, epochs=2, **FEW), {"leaks": leaks}
    )
    card = render_model_card(record.facts)
    assert card == (tmp_path / "model/README.md").read_text()
    assert "nothing was measured" in card
    assert "3 rows with a passage that is relevant to a test query, which touches 2 test queries" in card
    assert json.loads((tmp_path / "model/training.json").read_text())["leaks"] == leaks


@pytest.mark.slow
def test_a_pretrained_encoder_learns_from_real_claims(beir, minilm, tmp_path, monkeypatch, write_dataset):
    """MiniLM on 48 SciFact claims with passages of other claims as negatives: the loss falls, the metric is reported."""
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HNHUB_CORPORA", str(beir))
    train = open_split("scifact", "train")
    table = pl.read_parquet(train.documents)
    texts = {i: contents(title, text) for i, title, text in table.iter_rows()}
    pairs = [(text, texts[found[0]]) for text, found in zip(train.texts, train.relevant_ids.values(), strict=True)][:60]
    rows = [(*pair, pairs[i - 1][1], pairs[i - 2][1]) for i, pair in enumerate(pairs)]
    data = load_training_data(
        str(write_dataset(tmp_path / "dataset", rows, name="scifact")), "bm25", held_out_share=0.2
    )
    checked = check_leaks(data, [open_split("scifact", "test")], on_leak="drop")
    settings = settings_for(
        minilm, epochs=3, batch=16, mini_batch=8, max_length=48, temperature=0.05, learning_rate=5e-5
    )
    record = train_stage(tmp_path / "model", checked.data, resolve(minilm), settings, checked.facts)
    found = losses(record.facts)
    assert np.mean(found[-2:]) < np.mean(found[:2])
    assert record.facts["held_out"]["after"]["nDCG@10"] > 0.5
