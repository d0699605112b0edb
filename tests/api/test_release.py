"""Release plans: what they may say, what they become, and a release that fails half way and is given again."""

from pathlib import Path

import pytest

from hnhub.api.release import Item, build_dataset, read_plan, run_release, summary
from hnhub.errors import HnhubError, InputError, ServiceError
from hnhub.publish.plan import Plan
from hnhub.publish.push import Pushed
from hub_client import Site, make_folder

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
    first, second = read_plan(write(tmp_path, PLAN)).items()
    assert first.build == (
        "scifact", "--out", "runs", "--method", "bm25", "--method", "ce", "--negatives", "3",
        "--endpoint", "http://a", "--endpoint", "http://b", "--queries-from", "qrels", "--queries", "50",
    )  # fmt: skip
    assert first.target.repo == "ann/scifact-hard-negatives"
    assert second.target.repo == "ann/My-corpus-hard-negatives"
    assert second.target.tag == "v1.0.0"
    assert "--queries" not in second.build
    assert read_plan(write(tmp_path, PLAN)).items(["local"])[0].build[-6:-4] == ("--endpoint", "local")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('namespace = "a"', "corpora is missing"),
        ('corpora = ["x"]', "namespace is missing"),
        ('namespace = "a"\ncorpora = "x"', "of the wrong kind"),
        ('namespace = "a"\ncorpora = ["x"]\ntags = "v1"', "unknown key 'tags'"),
        ('namespace = "a"\ncorpora = ["x"]\n[corpus.y]\nqueries = 1', "corpus.y"),
        ('namespace = "a"\ncorpora = ["x", "x"]', "one repository"),
        ('namespace = "a"\ncorpora = ["x", "y"]\nname = "all"', "one repository"),
        ("namespace = ", "can't be read"),
    ],
)
def test_a_bad_plan_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_plan(write(tmp_path, text))


def test_a_failure_does_not_stop_the_others_and_the_next_run_goes_on(tmp_path: Path) -> None:
    items = read_plan(write(tmp_path, PLAN)).items()
    broken = {"scifact"}
    built: list[str] = []

    def build(item: Item) -> Path:
        built.append(item.corpus)
        if item.corpus in broken:
            raise ServiceError("the endpoint is gone", do="start it | again")
        return tmp_path

    def publish(path: Path, item: Item) -> Pushed:
        done = {"committed": True, "pull_request": None, "verified": 4, "tag": item.target.tag, "collection": None}
        return Pushed(item.target.repo, "url", Plan("c" * 40, ()), "c" * 40, **done)

    outcomes = run_release(items, build, publish)
    assert built == ["scifact", "org/My corpus"]
    assert [bool(outcome.error) for outcome in outcomes] == [True, False]
    table = summary(outcomes).splitlines()
    assert "failed: the endpoint is gone; start it   again" in table[2]
    assert table[3] == "| org/My corpus | ann/My-corpus-hard-negatives | published | cccccccccccc | v1.0.0 | 4 |"
    broken.clear()
    assert not any(outcome.error for outcome in run_release(items, build, publish))


def test_a_failed_build_does_not_tell_the_endpoints_password(tmp_path: Path) -> None:
    plan = 'namespace = "ann"\ncorpora = ["made"]\nmethods = ["bm25"]\n[build]\nendpoint = "http://me:secret@host"'
    (item,) = read_plan(write(tmp_path, plan + f'\nout = "{tmp_path}"\ncorpus_dir = "{tmp_path}/none"')).items()
    with pytest.raises(HnhubError, match="--endpoint http://host") as told:
        build_dataset(item)
    assert "secret" not in str(told.value)


def test_an_interruption_passes(tmp_path: Path) -> None:
    def build(item: Item) -> Path:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_release(read_plan(write(tmp_path, PLAN)).items(), build, lambda *_: pytest.fail("published"))


@pytest.mark.parametrize("site", ["lfs"], indirect=True)
def test_a_release_given_again_commits_nothing(site: Site, tmp_path: Path) -> None:
    items = read_plan(write(tmp_path, PLAN)).items()
    pushes: list[dict[str, object]] = []

    def build(item: Item) -> Path:
        return make_folder(tmp_path / item.corpus.replace("/", "-"), rows=len(item.corpus))

    def publish(path: Path, item: Item) -> Pushed:
        target = vars(item.target)
        answer = site.client("push", folder=path, **target, check=False)
        if "error" in answer:
            raise HnhubError(answer["message"], do="")
        pushes.append(answer["value"])
        return Pushed(item.target.repo, "", Plan(None, ()), "", bool(answer["value"]["committed"]), None, 0, None, None)

    site.hub.fail("status", "POST /api/datasets/ann/My-corpus-hard-negatives/commit", status=400)
    assert [bool(outcome.error) for outcome in run_release(items, build, publish)] == [False, True]
    assert not any(outcome.error for outcome in run_release(items, build, publish))
    assert not any(outcome.error for outcome in run_release(items, build, publish))
    assert [push["committed"] for push in pushes] == [True, False, True, False, False]
    [collection] = [c for c in site.hub.store.collections.values() if c["title"] == "Hard negatives"]
    assert [item["id"] for item in collection["items"]] == [item.target.repo for item in items]
