"""Each scorer's scores, read in step with the queries, are those that a join of everything finds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub import schema
from hnhub.rows import scores as module
from hnhub.rows.scores import Scores
from hnhub.text.documents import Positions

QUERIES = [f"q{at}" for at in range(40)]


def candidates(folder: Path, name: str, rng: np.random.Generator) -> Path:
    """Candidates of most queries in their order, some of them unscored, one written text."""
    rows = [
        (query, f"d{document}", None, 0, at + 1, None if rng.random() < 0.1 else float(rng.random()), None)
        for query in QUERIES
        if rng.random() < 0.8
        for at, document in enumerate(rng.permutation(9)[: int(rng.integers(1, 8))])
    ]
    path = folder / f"{name}.parquet"
    frame = pl.DataFrame(
        [*rows, (QUERIES[-1], None, "written", 0, 9, 1.0, None)], schema=schema.CANDIDATES, orient="row"
    )
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("batch", [1, 3, 4096])
def test_what_every_scorer_gave_is_found_however_the_queries_are_cut(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", batch)
    rng = np.random.default_rng(batch)
    paths = {name: candidates(tmp_path, name, rng) for name in ("bm25", "ce")}
    scores = Scores(paths, Positions(pl.Series(QUERIES)))
    ends = [0, 1, 7, 8, 20, 33, 38]
    parts = [scores.up_to(end) for end in ends]
    for first, end, part in zip([0, *(end + 1 for end in ends)], ends, parts, strict=False):
        assert set(part["query_id"]) <= set(QUERIES[first : end + 1])
    whole = pl.concat(parts)
    for name, path in paths.items():
        wanted = {
            (query, document): score
            for query, document, score in pl.read_parquet(
                path, columns=["query_id", "document_id", "score"]
            ).iter_rows()
            if query != QUERIES[-1] and document is not None and score is not None
        }
        own = whole.select("query_id", "document_id", f"{name}_score")
        assert {row[:2]: row[2] for row in own.drop_nulls().iter_rows()} == wanted
    assert whole.columns == ["query_id", "document_id", *schema.SCORES]
    assert whole["dense_score"].null_count() == len(whole)
    assert not whole.select("query_id", "document_id").is_duplicated().any()


def test_without_any_scorer_there_are_columns_and_no_rows() -> None:
    found = Scores({}, Positions(pl.Series(QUERIES))).up_to(3)
    assert found.schema == {"query_id": pl.String, "document_id": pl.String, **dict.fromkeys(schema.SCORES, pl.Float64)}
    assert found.is_empty()
