"""The index on disk, the candidates, memory, and the figures on real corpora."""

import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub.bm25.languages import in_language
from hnhub.bm25.open import index_texts, open_index
from hnhub.errors import InputError, UsageError
from hnhub.negatives.bm25 import make_candidates
from hnhub.records import BM25Settings, contents
from hnhub.schema import CANDIDATES, DOCUMENTS, FROZEN_QUERIES
from small_miners import mining

DEFAULTS = in_language(BM25Settings(), "en")


def write_documents(path: Path, texts: list[str], title: str = "") -> Path:
    ids = [f"d{row}" for row in range(len(texts))]
    pl.DataFrame({"document_id": ids, "title": [title] * len(texts), "text": texts}, schema=DOCUMENTS).write_parquet(
        path
    )
    return path


def write_queries(path: Path, queries: list[tuple[str, list[str]]]) -> Path:
    rows = [
        {"split": "test", "query_id": f"q{number}", "query": text, "positive_ids": positives, "provenance": None}
        for number, (text, positives) in enumerate(queries)
    ]
    pl.DataFrame(rows, schema=FROZEN_QUERIES).write_parquet(path)
    return path


def random_texts(count: int, length: int, seed: int) -> list[str]:
    drawn = np.minimum(np.random.default_rng(seed).zipf(1.3, (count, length)), 3000)
    return [" ".join(f"w{word}" for word in row) for row in drawn]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write_documents(tmp_path / "documents.parquet", random_texts(3000, 30, seed=1))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()
    }


def test_an_index_is_made_once_and_found_again(tmp_path: Path, documents: Path) -> None:
    asked = random_texts(20, 5, seed=2)
    first = open_index(documents, tmp_path / "one", threads=1)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.npy")}
    again = open_index(documents, tmp_path / "one", threads=3)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.npy")}
    open_index(documents, tmp_path / "two", threads=2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    in_memory = index_texts(pl.read_parquet(documents)["text"].to_list())
    for index in (again, in_memory):
        for ours, theirs in zip(first.search(asked, 50), index.search(asked, 50), strict=True):
            assert np.array_equal(ours, theirs)
    assert first.document_ids[7].as_py() == "d7"
    assert first.documents == len(first.document_ids) == 3000


def test_other_documents_or_settings_are_another_index(tmp_path: Path, documents: Path) -> None:
    folder = tmp_path / "indexes"
    open_index(documents, folder)
    open_index(documents, folder, BM25Settings(k1=1.2))
    other = write_documents(tmp_path / "other.parquet", ["w1 alone"])
    assert open_index(other, folder).search(["w1"], 2)[0].tolist() == [[0, -1]]
    assert len(list(folder.glob("*/index.json"))) == 3


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "record", "no record"])
def test_a_damaged_index_is_noticed_and_made_again(tmp_path: Path, documents: Path, damage: str, caplog) -> None:
    expected = open_index(documents, tmp_path / "ix").search(["w1 w9 w40"], 20)
    before = files_of(tmp_path / "ix")
    (values,) = (tmp_path / "ix").glob("*/00000.values.npy")
    if damage == "truncate":
        values.write_bytes(values.read_bytes()[:-100])
    elif damage == "flip":
        data = bytearray(values.read_bytes())
        data[len(data) // 2] ^= 1
        values.write_bytes(data)
    elif damage == "delete":
        values.unlink()
    elif damage == "record":
        (values.parent / "index.json").write_text("{")
    else:
        (values.parent / "index.json").unlink()
    found = open_index(documents, tmp_path / "ix").search(["w1 w9 w40"], 20)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])
    assert files_of(tmp_path / "ix") == before
    assert ("indexing again" in caplog.text) == (damage != "no record")


def test_killed_on_the_way_leaves_no_index(tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "documents.parquet", random_texts(8_000, 60, seed=5))
    code = "import sys; from pathlib import Path; from hnhub.bm25.open import open_index; open_index(*map(Path, sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(documents), str(tmp_path / "ix")])
    while process.poll() is None and not list((tmp_path / "ix").rglob("*.arrow")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not list((tmp_path / "ix").glob("*/index.json"))
    assert open_index(documents, tmp_path / "ix").search(["w1"], 1)[0][0, 0] >= 0


def test_two_at_once_make_one_index(tmp_path: Path, documents: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda _: open_index(documents, tmp_path / "ix").search(["w3 w5"], 5)[0].tolist(), range(4))
        )
    assert found == [found[0]] * 4


def test_candidates(tmp_path: Path) -> None:
    documents = write_documents(
        tmp_path / "d.parquet", ["red fox", "", "blue fox", "red sky", "fox fox fox"], title="the"
    )
    queries = write_queries(
        tmp_path / "q.parquet",
        [("red fox", ["d0", "d2"]), ("fox", ["d3"]), ("?!", ["d1"]), ("sky", []), ("fox", ["d2"])],
    )
    out = tmp_path / "out"
    out.mkdir()
    facts = make_candidates(
        out, tmp_path, mining(tmp_path, "bm25", documents=documents, queries=queries, depth=2, bm25=DEFAULTS)
    )
    frame = pl.read_parquet(out / "candidates.parquet")
    assert frame.schema == CANDIDATES
    rows = [(row["query_id"], row["document_id"], row["label"], row["rank"]) for row in frame.iter_rows(named=True)]
    assert rows == [
        ("q0", "d0", 1, 1), ("q0", "d3", 0, 2),
        ("q1", "d4", 0, 1), ("q1", "d0", 0, 2), ("q1", "d3", 1, None),
        ("q2", "d1", 1, None),
        ("q3", "d3", 0, 1),
        ("q4", "d4", 0, 1), ("q4", "d0", 0, 2), ("q4", "d2", 1, None),
    ]  # fmt: skip
    scores = dict(zip([(row[0], row[1]) for row in rows], frame["score"], strict=True))
    assert scores["q1", "d3"] == scores["q2", "d1"] == 0
    assert scores["q4", "d2"] == scores["q4", "d0"] > 0
    assert frame["text"].null_count() == len(frame)
    assert frame["provenance"][0]["method"] == "bm25"
    assert frame["provenance"][0]["model"] == "lucene k1=0.9 b=0.4 stemmer=porter stop_words=english"
    assert frame["provenance"][0]["corpus_revision"] == "r1"
    assert facts == {
        "method": "bm25", "documents": 5, "queries": 5, "depth": 2, "candidates": 7, "without_candidates": 1,
        "positives_retrieved": 1, "settings": DEFAULTS.as_dict(),
    }  # fmt: skip


def test_bad_input_is_refused(tmp_path: Path, documents: Path) -> None:
    def candidates(queries: Path) -> None:
        make_candidates(tmp_path, tmp_path, mining(tmp_path, "bm25", documents=documents, queries=queries, depth=2))

    with pytest.raises(InputError, match="q1: its positive d9999 is not among the documents"):
        candidates(write_queries(tmp_path / "q.parquet", [("a", ["d1"]), ("b", ["d9999"])]))
    with pytest.raises(InputError, match="can't be read as queries"):
        candidates(tmp_path / "absent.parquet")
    with pytest.raises(InputError, match="no such file"):
        open_index(tmp_path / "absent.parquet", tmp_path / "ix")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"broken\.parquet: can't be read"):
        open_index(tmp_path / "broken.parquet", tmp_path / "ix")
    pl.DataFrame({"document_id": ["a"], "text": ["b"]}).write_parquet(tmp_path / "narrow.parquet")
    with pytest.raises(InputError, match=r"narrow\.parquet: has no column title"):
        open_index(tmp_path / "narrow.parquet", tmp_path / "ix")


@pytest.mark.parametrize(("engine", "method"), [("bm25s", "lucene"), ("rank_bm25", "okapi")])
def test_reference_engines(tmp_path: Path, documents: Path, engine: str, method: str) -> None:
    theirs = open_index(documents, tmp_path / "ix", BM25Settings(engine=engine, method=method))
    ours = open_index(documents, tmp_path / "ix", BM25Settings(method=method))
    asked = random_texts(10, 4, seed=9)
    for mine, other in zip(ours.search(asked, 10)[1], theirs.search(asked, 10)[1], strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    rows = np.arange(10, dtype=np.int64)
    assert ours.scores(asked, rows) == pytest.approx(theirs.scores(asked, rows), rel=1e-4, abs=1e-6)
    wrong = {"bm25s": "okapi", "rank_bm25": "lucene"}[engine]
    with pytest.raises(UsageError, match=f"no {wrong}"):
        open_index(documents, tmp_path / "ix", BM25Settings(engine=engine, method=wrong))


def test_works_where_nothing_can_be_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import caching

    from hnhub.bm25.jit import compiled

    # What numba finds in a read-only installation whose user has no home.
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled("int64(int64)")(lambda number: 2 * number)(21) == 42


# --- memory

PEAK = """
import resource, sys
from pathlib import Path
from hnhub.bm25 import indexing
from hnhub.records import BM25Settings
from hnhub.bm25.open import index_texts, open_index
indexing.SHARD_POSTINGS = int(sys.argv[4])
index_texts(["warm up"]).search(["warm"], 1)
queries = Path(sys.argv[3]).read_text().splitlines()
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
index = open_index(Path(sys.argv[1]), Path(sys.argv[2]), BM25Settings(stemmer=None, stop_words=None), threads=2)
rows, _ = index.search(queries, 100)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024, len(list(Path(sys.argv[2]).glob("*/*.rows.npy"))),
      int((rows >= 0).sum()))
"""


def measure_peak(tmp_path: Path, count: int, shard_postings: int) -> tuple[int, int, int]:
    """Index and mine a synthetic corpus in a process of its own: peak MiB over the imports, shards, candidates."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    some = np.array(random_texts(5_000, 80, seed=0), dtype=object)
    path = tmp_path / "documents.parquet"
    schema = pl.DataFrame(schema=DOCUMENTS).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, 20_000):
            size = min(20_000, count - first)
            texts = np.random.default_rng(first).choice(some, size).tolist()
            ids = [f"d{row}" for row in range(first, first + size)]
            writer.write_table(pa.table({"document_id": ids, "title": [""] * size, "text": texts}).cast(schema))
    (tmp_path / "queries.txt").write_text("\n".join(random_texts(500, 6, seed=-1 % 2**32)))
    command = [sys.executable, "-c", PEAK, path, tmp_path / "ix", tmp_path / "queries.txt", str(shard_postings)]
    peak, shards, found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(peak), int(shards), int(found)


def test_memory_is_bounded(tmp_path: Path) -> None:
    peak, shards, found = measure_peak(tmp_path, 100_000, 1 << 19)
    assert shards > 3
    assert found > 40_000
    assert peak < 150


@pytest.mark.slow
def test_memory_is_bounded_for_half_a_million_passages(tmp_path: Path) -> None:
    peak, shards, found = measure_peak(tmp_path, 500_000, 1 << 22)
    assert shards > 3
    assert found > 40_000
    assert peak < 400


# --- real corpora


def read_beir(folder: Path) -> tuple[list[dict[str, str]], dict[str, str], dict[str, dict[str, int]]]:
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    asked = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    qrels: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query_id, document_id, score = line.split("\t")
        if int(score) > 0:
            qrels.setdefault(query_id, {})[document_id] = int(score)
    return documents, {query["_id"]: query["text"] for query in asked}, qrels


def ndcg_at_10(index, ids: list[str], queries: dict[str, str], qrels: dict[str, dict[str, int]]) -> float:
    """trec_eval's: gains are the judgements, a query without results counts 0."""
    names = list(qrels)
    rows, _ = index.search([queries[name] for name in names], 10)
    values = []
    for name, found in zip(names, rows, strict=True):
        gains = [qrels[name].get(ids[row], 0) for row in found if row >= 0]
        ideal = sorted(qrels[name].values(), reverse=True)[:10]
        discounted = [sum(gain / math.log2(rank + 2) for rank, gain in enumerate(some)) for some in (gains, ideal)]
        values.append(discounted[0] / discounted[1])
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("name", "expected", "tolerance"),
    [
        # Anserini's flat BM25 on BEIR 1.0.0; it keeps a document's length in one byte.
        ("scifact", 0.6789, 0.005),
        ("nfcorpus", 0.3218, 0.005),
        # No figure of Anserini's: bm25s with Porter2, one tokeniser further away.
        ("cranfield", 0.3661, 0.01),
    ],
)
def test_figures_on_real_corpora(name: str, expected: float, tolerance: float, beir: Path) -> None:
    documents, queries, qrels = read_beir(beir / name)
    index = index_texts([contents(document["title"], document["text"]) for document in documents])
    assert ndcg_at_10(index, [document["_id"] for document in documents], queries, qrels) == pytest.approx(
        expected, abs=tolerance
    )
