"""The same build with and without Ray: time, CPU, memory and the dataset's hash. And BM25 over a million passages, end to end.

    python bench/scale.py [--passages 1000000] [--queries 5000] [--skip-scifact] [--engines local ray-1 ray-2 ray-2-killed]

CPU and memory are of the whole tree of processes, sampled five times a second; memory is the largest process's resident set
and the sum over all, less what several map together (proportional set size).
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from _common import machine, synthetic, table, versions
from _train_cross_encoder import SCIFACT, trained

ENGINES = {
    "local": [],
    "ray-1": ["--engine", "ray", "--workers", "1"],
    "ray-2": ["--engine", "ray", "--workers", "2"],
    "ray-2-killed": ["--engine", "ray", "--workers", "2"],
}
TICK = os.sysconf("SC_CLK_TCK")


def write_corpus(folder: Path, passages: int, queries: int) -> Path:
    """A BEIR folder of Zipfian passages of 121 words; a query is eight words of its passage."""
    (folder / "qrels").mkdir(parents=True)
    rng = np.random.default_rng(1)
    asked = set(rng.choice(passages, queries, replace=False).tolist())
    with (
        (folder / "corpus.jsonl").open("w") as corpus,
        (folder / "queries.jsonl").open("w") as questions,
        (folder / "qrels" / "train.tsv").open("w") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        number = 0
        for batch in synthetic(passages, 121):
            for text in batch:
                corpus.write(json.dumps({"_id": f"d{number}", "title": "", "text": text}) + "\n")
                if number in asked:
                    words = rng.choice(text.split(), 8, replace=False).tolist()
                    questions.write(json.dumps({"_id": f"q{number}", "text": " ".join(words)}) + "\n")
                    qrels.write(f"q{number}\td{number}\t1\n")
                number += 1
    return folder


def tree(pid: int) -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    level = [pid]
    while level:
        yield from level
        level = [child for parent in level for child in parents.get(parent, ())]


def run(command: list[str], home: Path, kills: int) -> dict[str, float]:
    """Seconds, CPU seconds, and peaks of memory in MB; so many of Ray's workers are killed, two seconds apart, at work."""
    environment = {**os.environ, "HNHUB_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    cpu: dict[int, float] = {}
    largest = together = 0.0
    killed = started
    while process.poll() is None:
        sizes = []
        for pid in tree(process.pid):
            try:
                at_work = "ray::_Worker.make" in Path(f"/proc/{pid}/cmdline").read_text()
                if kills and at_work and time.perf_counter() - killed > 2:
                    os.kill(pid, signal.SIGKILL)
                    kills, killed = kills - 1, time.perf_counter()
                    continue
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
            except OSError:
                continue
            cpu[pid] = (int(fields[11]) + int(fields[12])) / TICK
            values = {line.partition(":")[0]: int(line.split()[1]) / 1e3 for line in rollup[1:] if line}
            sizes.append((values.get("Rss", 0.0), values.get("Pss", 0.0)))
        largest = max([largest, *(rss for rss, _ in sizes)])
        together = max(together, sum(pss for _, pss in sizes))
        time.sleep(0.2)
    seconds = time.perf_counter() - started
    assert process.stderr is not None
    told = process.stderr.read()
    if process.returncode:
        sys.exit(told)
    print(told, f"workers not killed for want of work: {kills}" if kills else "", file=sys.stderr)
    return {"seconds": seconds, "cpu": sum(cpu.values()), "largest": largest, "together": together}


def content(folder: Path) -> str:
    """One hash over a dataset's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def compare(name: str, corpus: Path, options: list[str], engines: list[str]) -> None:
    rows = [["build", "engine", "seconds", "CPU s", "largest process MB", "all together MB", "dataset"]]
    for engine in engines:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            command = [sys.executable, "-m", "hnhub", "build", name, "--corpus-dir", str(corpus)]
            command += ["--out", str(folder / "runs"), *options, *ENGINES[engine]]
            took = run(command, folder / "home", 3 if engine.endswith("killed") else 0)
            figures = [f"{took[key]:,.1f}" for key in ("seconds", "cpu", "largest", "together")]
            index = sum(path.stat().st_size for path in (folder / "home").rglob("*") if path.is_file())
            print(f"{name} {engine}: index and caches {index / 1e6:,.0f} MB", file=sys.stderr)
            rows.append([name, engine, *figures, content(folder / "runs" / name / "dataset")])
    print(table(rows) + "\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--skip-scifact", action="store_true")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    given = parser.parse_args()
    print(machine())
    print(versions(["ray", "numba", "polars", "pyarrow"]) + "\n", flush=True)
    mined = ["--queries-from", "qrels", "--negatives", "5", "--method", "bm25"]
    if SCIFACT.exists() and not given.skip_scifact:
        scored = ["--method", "ce", "--cross-encoder", str(trained())]
        compare("scifact", SCIFACT, [*mined, *scored, "--queries", "80", "--depth", "20"], given.engines)
    with tempfile.TemporaryDirectory() as made:
        corpus = write_corpus(Path(made) / "made", given.passages, given.queries)
        rights = ["--i-have-the-rights", "made by a program"]
        compare("made", corpus, [*mined, "--queries", str(given.queries), "--depth", "100", *rights], given.engines)
        shutil.rmtree(corpus)


if __name__ == "__main__":
    main()
