"""`hnhub build` as a user runs it: killed, resumed, repeated, refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_servers.scripted import Scripted
from model_server import model_server
from small_corpus import content, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "made")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with model_server(delay=0.01) as server:
        yield server.url


def arguments(corpus: Path, out: Path, endpoint: str) -> list[object]:
    return [
        "build", "made", "--corpus-dir", corpus, "--method", "llm", "--method", "bm25", "--queries", 40, "--negatives", 2,
        "--depth", 20, "--endpoint", endpoint, "--out", out,
    ]  # fmt: skip


def test_a_build_is_whole_repeatable_and_valid(
    corpus: Path, endpoint: str, tmp_path: Path, hnhub: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    built = hnhub(*arguments(corpus, tmp_path, endpoint), "--json")
    assert built.returncode == 0, built.stderr
    result = json.loads(built.stdout)
    assert result["rows"]["bm25"]["train"] > 30
    before = content(tmp_path / "made" / "dataset")
    assert {"README.md", "croissant.json", "manifest.json", "stats.json"} <= set(before)

    again = hnhub(*arguments(corpus, tmp_path, endpoint))
    assert again.returncode == 0
    assert again.stderr.count("there") >= 6
    assert content(tmp_path / "made" / "dataset") == before
    assert hnhub("validate", tmp_path / "made" / "dataset").returncode == 0


@pytest.mark.parametrize("moments", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_some_moments_a_build_ends_with_the_same_bytes(
    corpus: Path, endpoint: str, tmp_path: Path, moments: int
) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}

    def start(out: Path, home: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "hnhub", *map(str, arguments(corpus, out, endpoint))],
            env={**environment, "HNHUB_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    started = time.monotonic()
    whole = start(tmp_path / "whole", tmp_path / "home-1")
    _, errors = whole.communicate(timeout=200)
    duration = time.monotonic() - started
    assert whole.returncode == 0, errors.decode()

    draw = random.Random(11)
    kills = 0
    for _ in range(40):
        child = start(tmp_path / "killed", tmp_path / "home-2")
        try:
            child.wait(timeout=draw.uniform(0.1, 0.7) * duration)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            kills += 1
        else:  # it was done before it could be killed: from the beginning, journal and all
            shutil.rmtree(tmp_path / "killed")
            shutil.rmtree(tmp_path / "home-2")
        child.communicate()
        if kills == moments:
            break
    last = start(tmp_path / "killed", tmp_path / "home-2")
    _, errors = last.communicate(timeout=200)
    assert last.returncode == 0, errors.decode()
    assert kills == moments
    assert content(tmp_path / "killed" / "made" / "dataset") == content(tmp_path / "whole" / "made" / "dataset")
    assert not list((tmp_path / "killed" / "made").glob("**/.work/*"))


def test_an_endpoint_full_of_faults_gives_the_same_dataset(
    corpus: Path, endpoint: str, tmp_path: Path, here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    sound = here(*arguments(corpus, tmp_path / "sound", endpoint))
    assert sound.returncode == 0, sound.stderr
    with model_server(faulty=True) as server:
        built = here(*arguments(corpus, tmp_path / "faulty", server.url), HNHUB_HOME=str(tmp_path / "home"))
    assert built.returncode == 0, built.stderr
    assert len(server.requests) > 150  # what was refused was asked again
    assert content(tmp_path / "faulty" / "made" / "dataset") == content(tmp_path / "sound" / "made" / "dataset")


@pytest.mark.slow
def test_a_server_that_leaves_connections_open_does_not_stall_a_build(
    corpus: Path, tmp_path: Path, hnhub: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Every 13th and 17th answer stops after half a body, every 7th is a 429: 200 requests of 50 ms end within 90 s."""
    count = 0

    def script(key: str, times: int) -> str | None:
        nonlocal count
        count += 1
        if count % 13 == 0 or count % 17 == 0:
            return "half a body"
        return "429" if count % 7 == 0 else None

    options = ["made", "--corpus-dir", corpus, "--method", "llm", "--queries-from", "qrels", "--queries", 40]
    with Scripted(
        fault=script,
        delay=0.05,
        text=lambda question, seed: json.dumps({"negative": f"Of {seed} things {question[-40:]} says nothing."}),
    ) as server:
        started = time.monotonic()
        done = hnhub("build", *options, "--negatives", 4, "--endpoint", server.url, "--out", tmp_path, "--json")
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["llm"]["requests"] >= 160
    assert seconds < 90, seconds
    print(f"{seconds:.1f} s for {sum(server.answered.values())} answers")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["nowhere", "--corpus-dir", "/nonexistent"], 2, "/nonexistent"),
        (["made", "--method", "magic"], 2, "magic"),
        (["made", "--method", "bm25", "--prompt", "negative"], 2, "TASK=FILE"),
        (["made", "--method", "bm25", "--depth", "3", "--negatives", "5"], 2, "--depth"),
        (["made", "--method", "llm", "--endpoint", "http://127.0.0.1:9"], 3, "127.0.0.1:9"),
        (["made", "--method", "bm25", "--builder", "/nonexistent.py"], 2, "/nonexistent.py"),
        (["made", "--method", "bm25", "--bm25", "k1"], 2, "KEY=VALUE"),
        (["made", "--method", "bm25", "--bm25", "k9=1"], 2, "BM25 has no 'k9'"),
        (["made", "--method", "bm25", "--bm25", "b=much"], 2, "is no number"),
        (["made", "--method", "bm25", "--bm25", "method=bm42"], 2, "bm42"),
        (["made", "--method", "bm25", "--bm25", "engine=rank_bm25"], 2, "rank_bm25 has no lucene"),
    ],
)
def test_what_can_not_work_is_refused_in_one_line(
    corpus: Path,
    tmp_path: Path,
    here: Callable[..., subprocess.CompletedProcess[str]],
    options: list[str],
    code: int,
    message: str,
) -> None:
    where = [] if "--corpus-dir" in options else ["--corpus-dir", str(corpus)]
    result = here("build", *options, *where, "--queries-from", "qrels", "--out", tmp_path)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.glob("**/*.parquet"))


def test_bm25s_formula_and_analysis_by_option(
    corpus: Path, tmp_path: Path, here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    def built(name: str, *settings: str) -> tuple[dict[str, object], Path]:
        options = [option for setting in settings for option in ("--bm25", setting)]
        where = ["--corpus-dir", corpus, "--queries-from", "qrels", "--depth", 20, "--out", tmp_path / name]
        result = here("build", "made", "--method", "bm25", *where, *options, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout), tmp_path / name / "made"

    plain, there = built("plain")
    assert built("plain", "k1=0.9", "method=lucene")[0] == plain  # the defaults, in words: the same recipe
    other, changed = built("other", "method=bm25+", "k1=1.2", "stop_words=none", "stemmer=english")
    assert other["fingerprint"] != plain["fingerprint"]
    assert (changed / "candidates/bm25/candidates.parquet").read_bytes() != (
        there / "candidates/bm25/candidates.parquet"
    ).read_bytes()
    manifest = json.loads((changed / "dataset" / "manifest.json").read_text())
    assert manifest["recipe"]["bm25"] == [
        ["method", "bm25+"], ["k1", 1.2], ["stemmer", "english"], ["stop_words", None],
    ]  # fmt: skip
    told = "BM25, wherever it was used, had method bm25+, k1 1.2, stemmer english, stop_words none in place"
    assert told in (changed / "dataset" / "README.md").read_text()
    assert "wherever it was used" not in (there / "dataset" / "README.md").read_text()
    theirs, folder = built("engine", "engine=bm25s")
    assert theirs["rows"] == plain["rows"]
    assert "engine=bm25s" in (folder / "dataset" / "README.md").read_text()


def test_a_reference_engine_that_is_not_there_is_refused(corpus: Path, tmp_path: Path) -> None:
    """In an environment that has all that this one has, but for bm25s."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("bm25s"):
            (packages / path.name).symlink_to(path)
    options = [
        "--corpus-dir",
        str(corpus),
        "--queries-from",
        "qrels",
        "--method",
        "bm25",
        "--out",
        str(tmp_path / "out"),
    ]
    source = str(Path(__file__).parents[2] / "src")
    result = subprocess.run(
        [sys.executable, "-S", "-m", "hnhub", "build", "made", *options, "--bm25", "engine=bm25s"],
        env={
            **os.environ,
            "HNHUB_HOME": str(tmp_path / "home"),
            "PYTHONPATH": os.pathsep.join([source, str(packages)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == "hnhub: bm25s is not installed; pip install 'hnhub[bench]'\n"
    assert not (tmp_path / "out").exists()


def test_two_builds_into_one_folder(
    corpus: Path, endpoint: str, tmp_path: Path, hnhub: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    from hnhub.stages import lock

    with lock(tmp_path / "made"):
        result = hnhub(*arguments(corpus, tmp_path, endpoint))
    assert result.returncode == 2
    assert f"process {os.getpid()}" in result.stderr


def test_a_server_of_completions_only(
    corpus: Path, tmp_path: Path, here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    template = tmp_path / "template.jinja"
    template.write_text(
        "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}[assistant]"
    )
    options = ["--corpus-dir", corpus, "--queries-from", "qrels", "--method", "llm", "--queries", 6, "--negatives", 1]
    with Scripted(completions=True) as server:
        asked = ["build", "made", *options, "--out", tmp_path, "--endpoint", server.url, "--api", "openai-completions"]
        without = here(*asked)
        built = here(*asked, "--chat-template", template)
        prompts = [body["prompt"] for body in server.bodies]
        chat = here(*asked[:-1], "openai", "--chat-template", template)
    assert without.returncode == 2
    assert "--chat-template" in without.stderr
    assert built.returncode == 0, built.stderr
    assert len(prompts) >= 6
    assert all(prompt.startswith("[system] ") and prompt.endswith("\n[assistant]") for prompt in prompts)
    assert chat.returncode == 2
    assert "applies its own chat template" in chat.stderr
