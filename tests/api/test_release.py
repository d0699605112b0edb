"""Release plans: what they may say, what they become, and a release that fails half way and is given again."""

import re
import shutil
from pathlib import Path

import pytest

import hnhub
from hnhub.api.release import Item, Release, forecast_release, read_release, release, summary
from hnhub.errors import HnhubError, InputError, ServiceError, UsageError
from hnhub.publish.push import Pushed, Target
from hnhub.publish.push_plan import PushPlan
from hub_client import Site, make_folder
from small_corpus import write_corpus

PLAN = """
namespace = "ann"
corpora = ["scifact", "org/My corpus"]
methods = ["bm25", "ce"]
tag = "v1.0.0"
collection = "Hard negatives"
[build]
negatives = 3
endpoint = ["http://a", "http://b"]
[corpus.scifact]
queries_from = "qrels"
queries = 50
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_a_plan_becomes_builds_and_targets(tmp_path: Path) -> None:
    first, second = read_release(write(tmp_path, PLAN)).items()
    assert first.source == ("scifact", None)
    assert first.options == {
        "out": "runs", "methods": ["bm25", "ce"], "negatives": 3, "endpoint": ["http://a", "http://b"],
        "queries_from": "qrels", "queries": 50,
    }  # fmt: skip
    assert first.target.repo == "ann/scifact-hard-negatives"
    assert second.target.repo == "ann/My-corpus-hard-negatives"
    assert second.target.tag == "v1.0.0"
    assert "queries" not in second.options
    assert read_release(write(tmp_path, PLAN)).items(["local"])[0].options["endpoint"] == ["local"]


@pytest.mark.parametrize(
    ("corpora", "name", "words"),
    [
        (["one/x", "two/x"], "{corpus}", "one/x and two/x would go to one repository, a/x"),
        (["a b", "a-b"], "{corpus}", "one repository, a/a-b"),
        (["x"], "{corpus}-{method}", "'a/x-{method}' is not the name of a repository"),
    ],
)
def test_a_name_that_no_repository_can_have_or_two_is_refused(corpora: list[str], name: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Release("a", corpora, methods=["bm25"], name=name).items()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('namespace = "a"', "corpora is missing"),
        ('corpora = ["x"]', "namespace is missing"),
        ('namespace = "a"\ncorpora = "x"', "of the wrong kind"),
        ('namespace = "a"\ncorpora = ["x"]\ntags = "v1"', "no option 'tags'; did you mean 'tag'?"),
        ('namespace = "a"\ncorpora = ["x"]\n[corpus.y]\nqueries = 1', "corpus.y"),
        ('namespace = "a"\ncorpora = ["x", "x"]', "one repository"),
        ('namespace = "a"\ncorpora = ["x", "y"]\nname = "all"', "one repository"),
        ("namespace = ", "can't be read"),
        ('namespace = "a"\ncorpora = ["x"]\n[build]\nnegative = 3', "no option 'negative'; did you mean 'negatives'?"),
        (
            'namespace = "a"\ncorpora = ["x"]\n[build]\nnegatives = "3"',
            "negatives = '3' is of the wrong kind; give a whole",
        ),
        ('namespace = "a"\ncorpora = ["x"]\n[build]\nsampling = "rand"', "did you mean 'random'?"),
        ('namespace = "a"\ncorpora = ["x"]\n[build]\nprice = [0.1]', "a list of 2: a number, a number"),
        ('namespace = "a"\ncorpora = ["x"]\n[corpus.x]\nprice = "dear"', r"\[x\] price = 'dear'"),
    ],
)
def test_a_bad_plan_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_release(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods = ['bm26']", "x: 'bm26' is no method"),
        ("[build]\ndepth = 3", "x: ranks 1 to 3 hold fewer than 5"),
        ("[build]\nbm25 = {k9 = 1.0}", "BM25 has no 'k9'"),
    ],
)
def test_what_no_build_can_be_is_refused_before_anything_runs(tmp_path: Path, text: str, words: str) -> None:
    plan = read_release(write(tmp_path, f'namespace = "a"\ncorpora = ["x"]\n{text}'))
    with pytest.raises(UsageError, match=words):
        plan.items()


def test_prices_and_settings_of_a_plan_reach_the_build(tmp_path: Path) -> None:
    options = 'price = [0.1, 0.4]\nmax_cost = 2\nbm25 = {k1 = 1.2, stemmer = "english"}\ncorpus_dir = "data"'
    (item,) = read_release(write(tmp_path, f'namespace = "a"\ncorpora = ["x"]\n[build]\n{options}')).items()
    assert item.options["price"] == [0.1, 0.4]
    assert item.options["bm25"] == {"k1": 1.2, "stemmer": "english"}
    assert item.source == (Path("data"), "x")


def test_a_failure_does_not_stop_the_others_and_the_next_run_goes_on(tmp_path: Path) -> None:
    items = read_release(write(tmp_path, PLAN)).items()
    broken = {"scifact"}
    built: list[str] = []

    def build(item: Item) -> Path:
        built.append(item.corpus)
        if item.corpus in broken:
            raise ServiceError("the endpoint is gone", do="start it | again")
        return tmp_path

    def publish(path: Path, target: Target) -> Pushed:
        done = {"committed": True, "pull_request": None, "verified": 4, "tag": target.tag, "collection": None}
        return Pushed(target.repo, "url", PushPlan("c" * 40, ()), "c" * 40, **done)

    outcomes = release(items, make=build, publish=publish)
    assert built == ["scifact", "org/My corpus"]
    assert [bool(outcome.error) for outcome in outcomes] == [True, False]
    table = summary(outcomes).splitlines()
    assert "failed: the endpoint is gone; start it   again" in table[2]
    assert table[3] == "| org/My corpus | ann/My-corpus-hard-negatives | published | cccccccccccc | v1.0.0 | 4 |"
    broken.clear()
    assert not any(outcome.error for outcome in release(items, make=build, publish=publish))


def test_a_failed_build_does_not_tell_the_endpoints_password(tmp_path: Path) -> None:
    plan = f"""
        namespace = "ann"\ncorpora = ["made"]\nmethods = ["llm"]\nout = "{tmp_path}"
        [build]\nendpoint = "http://me:secret@127.0.0.1:9"\ncorpus_dir = "{write_corpus(tmp_path / "made")}"
    """
    (outcome,) = release(read_release(write(tmp_path, plan)).items())
    assert isinstance(outcome.error, ServiceError)
    assert "127.0.0.1:9" in str(outcome.error)
    assert "secret" not in summary([outcome])


def test_an_interruption_passes(tmp_path: Path) -> None:
    def build(item: Item) -> Path:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        release(read_release(write(tmp_path, PLAN)).items(), make=build, publish=lambda *_: pytest.fail("published"))


@pytest.mark.parametrize("site", ["lfs"], indirect=True)
def test_a_release_given_again_commits_nothing(site: Site, tmp_path: Path) -> None:
    items = read_release(write(tmp_path, PLAN)).items()
    pushes: list[dict[str, object]] = []

    def build(item: Item) -> Path:
        return make_folder(tmp_path / item.corpus.replace("/", "-"), rows=len(item.corpus))

    def publish(path: Path, target: Target) -> Pushed:
        answer = site.client("push", folder=path, **vars(target), check=False)
        if "error" in answer:
            raise HnhubError(answer["message"], do="")
        pushes.append(answer["value"])
        return Pushed(target.repo, "", PushPlan(None, ()), "", bool(answer["value"]["committed"]), None, 0, None, None)

    site.hub.fail("status", "POST /api/datasets/ann/My-corpus-hard-negatives/commit", status=400)
    assert [bool(outcome.error) for outcome in release(items, make=build, publish=publish)] == [False, True]
    assert not any(outcome.error for outcome in release(items, make=build, publish=publish))
    assert not any(outcome.error for outcome in release(items, make=build, publish=publish))
    assert [push["committed"] for push in pushes] == [True, False, True, False, False]
    [collection] = [c for c in site.hub.store.collections.values() if c["title"] == "Hard negatives"]
    assert [item["id"] for item in collection["items"]] == [item.target.repo for item in items]


def test_a_dry_run_delivers_nothing_to_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hnhub.api.release.plan_folder_push", lambda folder, repo: folder.path)  # no Hub to ask
    corpus, there = write_corpus(tmp_path / "corpora" / "made"), tmp_path / "there"
    plan = Release(
        namespace="ann", corpora=["made"], methods=["bm25"], out=there.as_uri(), build={"queries_from": "qrels"},
        corpus={"made": {"corpus_dir": str(corpus)}},
    )  # fmt: skip
    (item,) = plan.items()
    hnhub.build(corpus, name="made", **item.options)
    shutil.rmtree(there)
    (found,) = forecast_release([item])
    assert str(found.push).startswith(str(tmp_path / "home"))
    assert not there.exists()
