"""A run, opened, looked at, loaded, checked and (not) published."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import hnhub
from hnhub.api.card import write_card
from hnhub.errors import InputError, RuleBroken, UsageError


def test_what_a_run_holds(dataset: Path) -> None:
    run = hnhub.open_run(dataset)
    assert run == hnhub.open_run(str(dataset / "dataset"))
    assert run.configs == ("queries", "llm", "llm-scored", "bm25", "bm25-scored")
    assert (run.corpus, run.methods) == ("tiny", ("llm", "bm25"))
    assert run.rows["bm25"] == {"train": 11}
    assert run.dataset("bm25", split="train").column_names == ["query", "positive", "negative_1", "negative_2"]
    assert run.dataset().keys() == {"train"}
    assert run.datasets().keys() == set(run.configs)
    assert run.to_frame("bm25")["query"].to_list() == run.dataset("bm25", split="train")["query"]
    assert run.ledger.filter(reason="shortfall")["query_id"].to_list() == ["q3", "q5"]
    assert run.validate() == []
    assert run.card().startswith("---\npretty_name:")
    assert hnhub.load_run(dataset, "llm")["train"].num_rows == 11


def test_a_run_is_worth_reading(dataset: Path) -> None:
    run = hnhub.open_run(dataset)
    text = repr(run)
    assert text.startswith(f"tiny: hard negatives by llm, bm25, in {run.folder}\n\nconfig")
    assert "bm25         train    11" in text
    assert "negatives   bm25    shortfall      1" in text
    assert "<td>bm25</td><td>train</td><td>11</td>" in run._repr_html_()


def test_what_there_is_not_is_said(dataset: Path, tmp_path: Path) -> None:
    run = hnhub.open_run(dataset)
    with pytest.raises(InputError, match="no config 'ce'"):
        run.dataset("ce")
    with pytest.raises(InputError, match="no split 'test'"):
        run.dataset("bm25", split="test")
    with pytest.raises(InputError, match="no dev rows of 'bm25'"):
        run.to_frame("bm25", split="dev")
    with pytest.raises(InputError, match="no dataset is here"):
        hnhub.open_run(tmp_path)


def test_push_refuses_what_breaks_a_rule_before_it_asks_the_hub(dataset: Path, tmp_path: Path) -> None:
    broken = tmp_path / "dataset"
    shutil.copytree(dataset / "dataset", broken)
    (broken / "data" / "extra.parquet").write_bytes(b"")
    run = hnhub.open_run(broken)
    for call in (
        lambda: run.push("ann/tiny"),
        lambda: hnhub.push(broken, "ann/tiny"),
        lambda: hnhub.plan_push(run, "ann/tiny"),
    ):
        with pytest.raises(RuleBroken, match="is not published: "):
            call()
    with pytest.raises(UsageError, match="not the name of a repository"):
        hnhub.push(run, "tiny")
    with pytest.raises(UsageError, match="gets no tag"):
        hnhub.push(run, "ann/tiny", pull_request=True, tag="v1")


@pytest.mark.parametrize("name", ["stats.json", "manifest.json"])
@pytest.mark.parametrize("broken", ["truncated", "of another shape", "without its recipe", "with a list for a table"])
def test_a_broken_file_is_named_by_whatever_reads_it(dataset: Path, tmp_path: Path, name: str, broken: str) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(dataset / "dataset", folder)
    text = (folder / name).read_text()
    whole = json.loads(text)
    changed = {
        "truncated": text[: len(text) // 2],
        "of another shape": "[3]",
        "without its recipe": json.dumps({key: value for key, value in whole.items() if key != "recipe"}),
        "with a list for a table": json.dumps({**whole, "files": [], "recipe": []}),
    }
    (folder / name).write_text(changed[broken])
    readers: dict[str, Callable[[], object]] = {
        "view": lambda: hnhub.view(folder),
        "audit": lambda: hnhub.audit(folder, save=True),
        "recut": lambda: hnhub.recut(folder, out=tmp_path / "again", negatives=1),
        "card": lambda: write_card(folder),
    }
    for reader in readers.values() if name == "stats.json" else [readers["recut"]]:
        with pytest.raises(InputError, match=rf"dataset/{name}: "):
            reader()
    assert not (tmp_path / "again").exists()
