"""What is tried again, for how long, and in which words failures reach the user: real errors of a real client."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from hnhub.errors import HnhubError, ServiceError, UsageError
from hnhub.publish import hub
from hub_server import HubServer

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture(scope="module")
def site() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add_user(TOKEN, "ann")
        server.store.create("dataset", "ann/here", "ann")
        yield server


@pytest.fixture
def ask(site: HubServer, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """One look at the repository, tried again as `retry` does; returns (sha or error, seconds slept)."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def ask(repo: str = "ann/here") -> tuple[str | HnhubError | None, list[float]]:
        api = hub.connect(timeout=1.0)
        api.endpoint = site.url  # this process was not started for this Hub
        slept: list[float] = []
        try:
            return hub.retry(lambda: api.dataset_info(repo).sha, f"reading {repo}", sleep=slept.append), slept
        except HnhubError as error:
            return error, slept
        finally:
            site.faults.clear()

    return ask


def test_waits_double_and_end(site, ask) -> None:  # type: ignore[no-untyped-def]
    fault = site.fail("status", "GET /api/datasets/ann/here", status=500, times=99)
    error, slept = ask()
    assert isinstance(error, ServiceError)
    assert slept == [1, 2, 4, 8, 16]
    assert fault.met == 6
    assert "reading ann/here: the Hub failed 6 times: 500 for GET /api/datasets/ann/here" in str(error)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "3"}, 3, 3),
        ({"Retry-After": formatdate(time.time() + 100_000)}, -1, -1),
        ({"Retry-After": "soon"}, 1, 1),
        ({"ratelimit": '"api";r=0;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}, 56, 56),
        ({"ratelimit": '"api";r=3;t=55'}, 1, 1),
        ({"ratelimit": '"api";r=0;t=55', "Retry-After": "3"}, 56, 56),
    ],
)
def test_waits_as_long_as_the_hub_asks(site, ask, headers, least, most) -> None:  # type: ignore[no-untyped-def]
    site.fail("status", "GET /api/datasets/ann/here", status=429, headers=headers)
    answer, slept = ask()
    if least < 0:
        assert isinstance(answer, ServiceError)
        assert "asks to wait" in str(answer)
        assert slept == []
    else:
        assert isinstance(answer, str)
        assert [least] <= slept <= [most]


@pytest.mark.parametrize("kind", ["drop", "hang"])
def test_a_lost_connection_is_looked_at_again(site, ask, kind) -> None:  # type: ignore[no-untyped-def]
    site.fail(kind, "GET /api/datasets/ann/here", seconds=3)
    answer, slept = ask()
    assert isinstance(answer, str)
    assert slept == [1]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, ServiceError, "the Hub refused: 400"),
        (401, UsageError, "refused the token"),
        (403, UsageError, "a token that may"),
    ],
)
def test_what_stays_wrong_is_asked_once(site, ask, status, error, words) -> None:  # type: ignore[no-untyped-def]
    fault = site.fail("status", "GET /api/datasets/ann/here", status=status, times=99)
    answer, slept = ask()
    assert type(answer) is error
    assert words in str(answer)
    assert slept == []
    assert fault.met == 1


@pytest.mark.parametrize(("first", "waits"), [(True, [1, 2]), (False, [1, 2, 4, 8, 16])])
def test_a_hub_out_of_reach_is_soon_given_up_before_anything_is_sent(ask, first, waits) -> None:  # type: ignore[no-untyped-def]
    api = hub.connect(writing=False)
    api.endpoint = "http://127.0.0.1:9"
    slept: list[float] = []
    with pytest.raises(ServiceError) as refused:
        hub.retry(lambda: api.dataset_info("ann/here"), "reading ann/here", first=first, sleep=slept.append)
    assert slept == waits
    assert str(refused.value).count("Connection refused") == 1


def test_offline_mode_is_no_failure_that_passes() -> None:
    def step() -> None:
        raise OfflineModeIsEnabled("offline mode is enabled")

    with pytest.raises(UsageError, match="unset it"):
        hub.retry(step, "reading ann/here", sleep=lambda _: pytest.fail("waited"))


def test_a_missing_repository_says_so(ask) -> None:  # type: ignore[no-untyped-def]
    answer, _ = ask("ann/gone")
    assert "no such dataset repository" in str(answer)


def test_a_token_in_a_message_is_not_repeated(site, ask) -> None:  # type: ignore[no-untyped-def]
    site.fail("status", "GET /api/datasets/ann/here", status=400, headers={"X-Error-Message": f"bad {TOKEN}"})
    answer, _ = ask()
    assert TOKEN not in str(answer)
    assert "hf_***" in str(answer)


def test_no_token_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="hf auth login"):
        hub.connect()


@pytest.mark.parametrize("name", ["scifact", "a/b/c", "../x", "a/..b", "a/b.git", "a b/c", ""])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="NAMESPACE/NAME"):
        hub.check_repo_name(name)
