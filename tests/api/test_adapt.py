"""`hnhub.adapt` and `hnhub adapt`: the whole way on a small corpus, with a scripted writer and a static model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import hnhub
from hnhub.api.adapt import forecast_adapt
from hnhub.api.adapt_settings import settled
from hnhub.cli import cli
from hnhub.errors import InputError, LimitReached, UsageError
from hnhub.learn.mteb_results import DEPTH, write_mteb_results
from hnhub.text.similarity import best_near
from llm_servers.scripted import Scripted
from llm_servers.writer import Writer
from small_corpus import content


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[Scripted]:
    texts = [json.loads(line)["text"] for line in (made / "corpus.jsonl").read_text().splitlines()]
    with Scripted(text=Writer(texts)) as found:
        yield found


def adapted(made: Path, model: str, url: str, out: Path, **changes: object) -> hnhub.Adapted:
    options = {
        "queries": 60,
        "test_queries": 25,
        "negatives": 2,
        "depth": 20,
        "train": {"epochs": 1, "batch": 16},
        "seeds": (0, 1),
    }
    return hnhub.adapt(made, model=model, endpoint=url, out=out, **{**options, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(
    made: Path, static_model: str, server: Scripted, tmp_path_factory: pytest.TempPathFactory, home: Path
) -> hnhub.Adapted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HNHUB_HOME", str(home))
        return adapted(made, static_model, server.url, tmp_path_factory.mktemp("adapted") / "out")


def test_both_tests_are_reported_with_verdicts_and_named_for_what_they_are(done: hnhub.Adapted) -> None:
    written, human = done.results["tests"]
    assert (written["kind"], written["queries"], human["kind"], human["queries"]) == ("written", 25, "human", 15)
    assert {(v.corpus, v.system, v.baseline) for v in done.verdicts} == {
        (name, "tuned", other) for name in ("made", "made-held-out") for other in ("base", "bm25")
    }
    page = (done.folder / "results.md").read_text()
    for words in (
        "**People's judgements** (made, 15 queries)",
        "**Queries that a model wrote** (made-held-out, 25 queries)",
        "favours the tuned model",
        "15 passages, so nothing\nthat answers these queries was seen",
        "mean over the seeds 0, 1",
    ):
        assert words in page
    assert all(c["sentence"] in page for test in (written, human) for m in test["conclusions"].values() for c in m)
    assert str(done.folder) not in page
    assert "## Adapted and tested" in (done.folder / "model" / "README.md").read_text()
    assert sum(found["queries"] for found in written["styles"].values()) == 25
    assert done.model().encode(["a query"]).shape == (1, 32)
    assert "tuned against base" in repr(done)
    assert "<table" in done._repr_html_()


def test_nothing_of_the_test_part_was_trained_on(done: hnhub.Adapted, made: Path) -> None:
    parts = pl.read_parquet(done.folder / "split" / "parts.parquet")
    texts = {
        d["_id"]: f"{d['title']} {d['text']}" for d in map(json.loads, (made / "corpus.jsonl").read_text().splitlines())
    }
    test = [texts[one] for one in parts.filter(pl.col("split") == "test")["document_id"]]
    rows = pl.concat(pl.read_parquet(path) for path in (done.run.folder / "data" / "bm25").glob("*.parquet"))
    seen = pl.concat([rows[name] for name in rows.columns if name != "query"]).unique().to_list()
    assert best_near(seen, test) == [None] * len(seen)
    judged = {line.split("\t")[1] for line in (made / "qrels" / "test.tsv").read_text().splitlines()[1:]}
    assert judged <= set(parts.filter(pl.col("split") == "test")["document_id"])
    assert done.results["tests"][1]["contaminated"] == 0
    assert set(done.run.rows["bm25"]) == {"train", "dev"}
    assert done.run.validate() == []


def test_the_held_out_set_is_a_corpus_like_any_other(done: hnhub.Adapted) -> None:
    found = hnhub.evaluate(str(done.folder / "model"), hnhub.open_corpus(done.held_out, name="made-held-out"))
    seed = pl.read_parquet(done.folder / "compare/scores/model/tuned/made-held-out/seed-0/scores.parquet")
    assert found["nDCG@10"] == pytest.approx(seed["nDCG@10"].mean(), abs=1e-6)


@pytest.mark.slow
def test_mteb_measures_the_adapted_model_on_the_held_out_set_as_hnhub_does(done: hnhub.Adapted, tmp_path: Path) -> None:
    """By mteb's own loader of the folder, and as `hnhub.mteb_task`; in a process of its own, since mteb warns."""
    model = done.folder / "model"
    found = hnhub.evaluate(model, hnhub.open_corpus(done.held_out, name="held-out"), depth=DEPTH, precision="fp32")
    result = write_mteb_results(tmp_path, found)
    script = Path(__file__).parents[1] / "learn" / "by_mteb.py"
    told = subprocess.run(
        [sys.executable, "-W", "ignore", script, model, done.held_out, result],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    by_mteb = json.loads(told.stdout.splitlines()[-1])
    assert len(by_mteb["theirs"]) >= 43
    assert {name: by_mteb["read"][name] for name in by_mteb["theirs"]} == pytest.approx(by_mteb["theirs"], abs=1e-5)
    assert by_mteb["task"] == pytest.approx(by_mteb["theirs"], abs=1e-5)
    assert 0 < by_mteb["main"] <= 1


def test_the_same_call_makes_and_asks_nothing(
    done: hnhub.Adapted, made: Path, static_model: str, server: Scripted
) -> None:
    before, asked = content(done.folder), sum(server.tries.values())
    again = adapted(made, static_model, server.url, done.folder)
    assert again.results == json.loads((done.folder / "results.json").read_text())
    assert content(done.folder) == before
    assert sum(server.tries.values()) == asked


def test_limits_hold_for_the_whole_and_what_was_made_is_kept(
    made: Path, static_model: str, tmp_path: Path, done: hnhub.Adapted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    texts = [json.loads(line)["text"] for line in (made / "corpus.jsonl").read_text().splitlines()]
    with Scripted(text=Writer(texts)) as own:
        limit = 12_000  # enough for the test queries, not for those to train on
        with pytest.raises(LimitReached):
            adapted(made, static_model, own.url, tmp_path / "out", max_tokens=limit)
        assert own.tokens <= limit
        assert (tmp_path / "out" / "held-out" / "stage.json").is_file()
        found = adapted(made, static_model, own.url, tmp_path / "out")
        assert len(own.tries) == sum(own.tries.values())  # nothing was asked twice
    for name in ("held-out/queries.jsonl", "split/parts.parquet"):
        assert (found.folder / name).read_bytes() == (done.folder / name).read_bytes()
    assert found.results["tests"] == done.results["tests"]


def test_documents_without_judgements_say_so(static_model: str, server: Scripted, made: Path, tmp_path: Path) -> None:
    documents = made / "corpus.jsonl"
    found = adapted(documents, static_model, server.url, tmp_path / "out", name="alone", seeds=(0,), test_queries=10)
    assert [test["kind"] for test in found.results["tests"]] == ["written"]
    assert "This corpus has no judgements by people" in (found.folder / "results.md").read_text()


def test_mixed_judgements_are_told_apart_by_contamination(
    static_model: str, server: Scripted, made: Path, tmp_path: Path
) -> None:
    found = adapted(made, static_model, server.url, tmp_path / "out", judged="mixed", seeds=(0,), queries=200)
    human = found.results["tests"][1]
    assert human["contaminated"] > 0
    assert human["clean"]["queries"] == human["queries"] - human["contaminated"]
    assert "may have been trained on" in (found.folder / "results.md").read_text()


def test_a_dry_run_tells_and_leaves_nothing(static_model: str, server: Scripted, made: Path, tmp_path: Path) -> None:
    def run(*more: object) -> str:
        done = CliRunner().invoke(cli, [*map(str, (*command, *more))], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    command = ["adapt", made, "--model", static_model, "--endpoint", server.url, "--out", tmp_path / "out", "--queries", 60,
               "--test-queries", 25, "--query-style", "keyword=1", "--train", "positives=one", "--epochs", 2]  # fmt: skip
    asked = sum(server.tries.values())
    plain = json.loads(run("--dry-run", "--json"))
    steps = [step for part in ("test", "train") for step in plain[part]["steps"]]
    assert plain["requests"] == sum(step["requests"] or 0 for step in steps) > 0
    assert plain["training_seconds"] > 0
    few = json.loads(run("--dry-run", "--json", "--queries", 2000, "--test-queries", 2000, "--per-passage", 1))
    passages = few["passages"]
    assert few["test"]["queries"] == passages["test"]
    assert few["train"]["queries"] == passages["train"] + passages["dev"]
    assert [few[part]["steps"][1]["requests"] for part in ("test", "train")] == [
        2 * few[part]["queries"]  # each is written, and judged
        for part in ("test", "train")
    ]
    command[command.index(server.url)] = "http://127.0.0.1:9"
    (tmp_path / "prices.toml").write_text('["some"]\ninput = 1\noutput = 2\n')
    priced = json.loads(run("--dry-run", "--json", "--llm", "some", "--prices", tmp_path / "prices.toml"))
    tokens = priced["prompt_tokens"] + 2 * priced["completion_tokens"]
    assert priced["cost"] == pytest.approx(tokens / 1e6)
    assert tokens > 0
    lacking = json.loads(run("--dry-run", "--json", "--llm", "other", "--prices", tmp_path / "prices.toml"))
    assert lacking["cost"] is None
    assert f"{tmp_path / 'prices.toml'}: has no price of other: no cost" in lacking["train"]["notes"]
    command[command.index("http://127.0.0.1:9")] = server.url
    assert not (tmp_path / "out").exists()
    assert sum(server.tries.values()) == asked
    assert "tuned against base" in run()
    told = run("--dry-run", "--price", 1, 2)
    assert told.count(" done") == len(steps)
    assert "0 requests, 0 tokens in" in told
    assert "cost at most 0.00" in told


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"test_share": 0.9, "dev_share": 0.2}, "leave nothing"),
        ({"judged": "perhaps"}, "none of its values"),
        ({"train": {"epoch": 1}}, "did you mean 'epochs'"),
        ({"method": "bm26"}, "is no method"),
        ({"seeds": ()}, "seeds"),
        ({"measures": ("nDGC@10",)}, "measure 'nDGC@10'"),
        ({"train": {"kind": "cross-encoder"}}, "only bi-encoders"),
        ({"train": {"seed": 3}}, "one of seeds"),
        ({"train": {"loss": "kl"}, "method": "llm"}, "learns from score, and llm has none"),
        ({"train": {"loss": "mix", "teacher": "ce_score"}}, "learns from ce_score, and bm25 has none"),
        ({"train": {"teacher": "ce_score"}}, "teacher does nothing with loss ranking"),
        ({"margin": 0.0}, "margin 0 is not above 0"),
        ({"method": "dense", "bi_encoder": "./no/such/folder"}, "no/such/folder"),
    ],
)
def test_what_can_not_be_is_refused_first(
    wrong: dict[str, object], words: str, static_model: str, server: Scripted, made: Path, tmp_path: Path
) -> None:
    asked = sum(server.tries.values())
    with pytest.raises(UsageError, match=words):
        adapted(made, static_model, server.url, tmp_path / "out", **wrong)
    assert sum(server.tries.values()) == asked
    assert list(tmp_path.glob("out/test/*/queries")) == []


def test_a_dry_run_says_that_a_models_folder_does_not_exist(made: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder: \./nomodel"):
        forecast_adapt(made, model="./nomodel", settings=settled({}))
