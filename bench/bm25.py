"""BM25 from text to the top 100 ids, against bm25s, tantivy and rank-bm25: `python bench/bm25.py`.

A Zipfian synthetic corpus of plain words, so that every tokeniser gives the same tokens; no stemming, no stop words;
k1 0.9, b 0.4. PISA takes part where `pyterrier-pisa` is installed (in an environment of its own, say). Every repeat runs every engine once, one after the other. CPU time of the whole process, since wall time
on a shared machine says little. Machine code is compiled before the clock starts: ours comes from the disk, bm25s's is
made in every process, and that is reported by itself.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from _common import compared, cpu_seconds, machine, spread, synthetic, table, versions

K1, B, K = 0.9, 0.4, 100
RANK_BM25_QUERIES = 10
Found = tuple[object, object]
"""An index, or rows and scores."""


def ours(threads: int = 1) -> tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]:
    from hnhub.bm25.open import index_texts
    from hnhub.records import BM25Settings

    settings = BM25Settings(k1=K1, b=B, stemmer=None, stop_words=None)
    return lambda texts: index_texts(texts, settings, threads), lambda index, queries: index.search(queries, K)


def bm25s_engine(backend: str) -> tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]:
    import bm25s

    def tokens(texts: list[str]) -> object:
        return bm25s.tokenize(texts, stopwords=None, show_progress=False)

    def index(texts: list[str]) -> object:
        made = bm25s.BM25(k1=K1, b=B, method="lucene", backend=backend)
        made.index(tokens(texts), show_progress=False)
        return made

    def search(made: object, queries: list[str]) -> Found:
        return made.retrieve(tokens(queries), k=K, show_progress=False)

    return index, search


def tantivy_engine() -> tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]:
    import tantivy

    def index(texts: list[str]) -> object:
        schema = tantivy.SchemaBuilder().add_text_field("text", stored=False).build()
        made = tantivy.Index(schema)
        writer = made.writer(heap_size=512 << 20, num_threads=1)
        for text in texts:
            writer.add_document(tantivy.Document(text=text))
        writer.commit()
        writer.wait_merging_threads()
        made.reload()
        return made

    def search(made: object, queries: list[str]) -> Found:
        searcher = made.searcher()
        rows = [
            [
                (address.segment_ord, address.doc)
                for _, address in searcher.search(made.parse_query(text, ["text"]), K).hits
            ]
            for text in queries
        ]
        return rows, None

    return index, search


def pisa_engine() -> tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]:
    import pandas as pd
    from pyterrier_pisa import PisaIndex

    def index(texts: list[str]) -> object:
        # The temporary folder goes with the index; indexing tells its progress by the thousand lines.
        folder = tempfile.TemporaryDirectory()
        made = PisaIndex(f"{folder.name}/index", stemmer="none", stops="none", threads=1)
        made.folder = folder
        with quiet():
            made.index({"docno": str(number), "text": text} for number, text in enumerate(texts))
            search(made, texts[:1])  # compresses the postings and bounds the blocks
        return made

    def search(made: object, queries: list[str]) -> Found:
        asked = pd.DataFrame({"qid": [str(number) for number in range(len(queries))], "query": queries})
        with quiet():
            return made.bm25(k1=K1, b=B, num_results=K, threads=1).transform(asked), None

    return index, search


@contextmanager
def quiet() -> Iterator[None]:
    """What C++ prints goes nowhere."""
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


def rank_bm25_engine() -> tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]:
    from rank_bm25 import BM25Okapi

    def search(made: object, queries: list[str]) -> Found:
        return [np.argpartition(-made.get_scores(text.split()), K)[:K] for text in queries], None

    return lambda texts: BM25Okapi([text.split() for text in texts], k1=K1, b=B), search


ENGINES: dict[str, Callable[[], tuple[Callable[[list[str]], object], Callable[[object, list[str]], Found]]]] = {
    "hnhub": ours,
    "bm25s default": lambda: bm25s_engine("numpy"),
    "bm25s numba": lambda: bm25s_engine("numba"),
    "tantivy": tantivy_engine,
    "rank-bm25 (okapi)": rank_bm25_engine,
} | ({"PISA": pisa_engine} if find_spec("pyterrier_pisa") else {})


_NEEDS = {"bm25s default": "bm25s", "bm25s numba": "bm25s", "tantivy": "tantivy", "rank-bm25 (okapi)": "rank_bm25"}
ENGINES_HERE = [name for name in ENGINES if find_spec(_NEEDS.get(name, "hnhub"))]


def make_corpus(documents: int, queries: int) -> tuple[list[str], list[str]]:
    texts = [text for batch in synthetic(documents, 121) for text in batch]
    asked = [text for batch in synthetic(queries, 8, seed=1) for text in batch]
    return texts, asked


def agreement(mine: Found, theirs: Found) -> tuple[float, float]:
    """Share of queries with the same top 10, and with the same but for ties (scores within float32's rounding)."""
    rows, scores = (np.asarray(part)[:, :10] for part in mine)
    their_rows, their_scores = (np.asarray(part)[:, :10] for part in theirs)
    same = (rows == their_rows).all(axis=1)
    close = np.isclose(scores, their_scores, rtol=1e-5, atol=1e-6).all(axis=1)
    # Equal scores rank by rank, and every document that is not in both lists tied with the last.
    for query in np.flatnonzero(~same & close):
        extra = np.setxor1d(rows[query], their_rows[query])
        at = np.concatenate(
            [scores[query][np.isin(rows[query], extra)], their_scores[query][np.isin(their_rows[query], extra)]]
        )
        close[query] = np.allclose(at, scores[query, -1], rtol=1e-5, atol=1e-6)
    return float(same.mean()), float((same | close).mean())


def measure_memory(engine: str, documents: int, queries: int) -> None:
    """Print the peak over the corpus, in MB: run in a process of its own."""
    texts, asked = make_corpus(documents, queries)
    index, search = ENGINES[engine]()
    search(index(texts[:500]), asked[:5])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak to what is resident now
    base = peak()
    search(index(texts), asked)
    print(peak() - base)


def peak() -> float:
    """Peak resident MB of this process since the last reset."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines", nargs="+", default=ENGINES_HERE, choices=list(ENGINES))
    parser.add_argument("--memory", choices=list(ENGINES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.memory, options.docs, options.queries)
        return
    print(machine())
    peers = {"bm25s": "bm25s", "tantivy": "tantivy", "rank-bm25": "rank_bm25", "pyterrier-pisa": "pyterrier_pisa"}
    print(versions(["numba", "numpy", *(name for name, module in peers.items() if find_spec(module))]))
    texts, asked = make_corpus(options.docs, options.queries)
    print(
        f"{options.docs:,} documents of 121 words x {options.queries:,} queries of 8, k = {K}; CPU seconds\n",
        flush=True,
    )
    engines = {}
    for name in options.engines:
        engines[name] = ENGINES[name]()
        index, search = engines[name]
        warm, _ = cpu_seconds(lambda index=index, search=search: search(index(texts[:500]), asked[:20]))
        print(f"  first use of {name}, 500 documents, with what it compiles: {warm:.1f}", flush=True)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    found: dict[str, Found] = {}
    for repeat in range(options.repeats):
        for name, (index, search) in engines.items():
            slow = name.startswith("rank")
            if slow and repeat:
                continue
            indexing, made = cpu_seconds(lambda index=index: index(texts))
            some = asked[:RANK_BM25_QUERIES] if slow else asked
            searching, found[name] = cpu_seconds(lambda search=search, made=made, some=some: search(made, some))
            times[name].append((indexing, searching * len(asked) / len(some)))
    report(times, found, len(asked), options)


def report(
    times: dict[str, list[tuple[float, float]]], found: dict[str, Found], queries: int, options: argparse.Namespace
) -> None:
    totals = {name: [sum(pair) for pair in pairs] for name, pairs in times.items()}
    rows = [["engine", "index", "queries", "total: median (range)", "queries/s/core", "total / ours"]]
    for name, pairs in times.items():
        ratio = statistics.median(
            np.array(totals[name])[: len(totals["hnhub"])] / np.array(totals["hnhub"])[: len(totals[name])]
        )
        searching = statistics.median(pair[1] for pair in pairs)
        note = f" (1 run, {RANK_BM25_QUERIES} queries extrapolated)" if name.startswith("rank") else ""
        indexing = statistics.median(pair[0] for pair in pairs)
        rows.append([
            name + note, f"{indexing:.2f}", f"{searching:.2f}", spread(totals[name]), f"{queries / searching:,.0f}", f"{ratio:.1f}",
        ])  # fmt: skip
    print("\n" + table(rows) + "\n")
    ratios = {row[0]: float(row[5]) for row in rows[1:]}
    goals = [["goal", "reach", "stretch", "measured", ""]]
    for name, reach, stretch in (("bm25s default", 8, 14), ("tantivy", 2.5, 4), ("bm25s numba", 4, 7)):
        if name in ratios:
            goals.append(
                [
                    f"end to end against {name}",
                    f"{reach}x",
                    f"{stretch}x",
                    f"{ratios[name]}x",
                    verdict(ratios[name], reach, stretch),
                ]
            )
    for name, reach, stretch in (("bm25s default", 8, 14), ("tantivy", 2.5, 4), ("bm25s numba", 4, 7)):
        if name in totals:
            stage = f"BM25, {options.docs:,} documents x {queries:,} queries, top {K}"
            compared(stage, totals["hnhub"], peer=name, theirs=totals[name], unit="CPU s", goal=(reach, stretch))
    memory = {name: peak_of(name, options) for name in ("hnhub", "bm25s default") if name in times}
    goals.append([
        "peak memory over the corpus", "250 MB", "110 MB", ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items()),
        verdict(-memory["hnhub"], -250, -110) if options.docs == 50_000 else "goal is for 50,000",
    ])  # fmt: skip
    compared(
        "BM25, peak over the corpus", [memory["hnhub"]], unit="MB", goal=(250, 110) if options.docs == 50_000 else None
    )
    if "bm25s default" in found:
        same, ties = agreement(found["hnhub"], found["bm25s default"])
        compared("BM25, top 10 as bm25s's but for ties", [ties], unit="share", goal=(0.999, 1.0), more=True)
        goals.append([
            "top 10 equal to bm25s's", "99.9 %", "but for ties", f"{100 * same:.2f} % identical, {100 * ties:.2f} % but for ties",
            verdict(ties, 0.999, 1.0),
        ])  # fmt: skip
    if "PISA" in times:
        ours, theirs = (statistics.median(pair[1] for pair in times[name]) for name in ("hnhub", "PISA"))
        goals.append([
            "queries/s/core against PISA (block-max)", "1.0x", "1.4x", f"{theirs / ours:.2f}x",
            verdict(theirs / ours, 1.0, 1.4) if options.docs == 500_000 else "goal is for 500,000",
        ])  # fmt: skip
    print(table(goals))


def verdict(value: float, reach: float, stretch: float) -> str:
    return "stretch reached" if value >= stretch else "reached" if value >= reach else "NOT reached"


def peak_of(engine: str, options: argparse.Namespace) -> float:
    command = [
        sys.executable,
        __file__,
        "--memory",
        engine,
        "--docs",
        str(options.docs),
        "--queries",
        str(options.queries),
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
