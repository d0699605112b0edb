"""OpenAI's batch API behind the same journal: nothing is paid twice, whatever breaks on the way."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hnhub.api.opening import opened_models
from hnhub.engine.local import LOCAL
from hnhub.errors import LimitReached, ServiceError, UsageError
from hnhub.llm.batch_notes import notes
from hnhub.llm.budget import Prices
from hnhub.llm.open import open_model
from hnhub.llm.types import Request
from hnhub.records import Recipe
from llm_servers.batches import BatchServer
from llm_servers.scripted import TOKENS

AskFor = Callable[..., Request]

CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from hnhub.llm.open import open_model
from llm.conftest import SCHEMA
from hnhub.llm.types import Message, Request
with open_model([sys.argv[1]], journal=Path(sys.argv[2]), batch=True, poll=0.05) as model:
    asked = [
        Request(f"q{n}", "llm", (Message("system", "Write a negative."), Message("user", f"query {n}")), SCHEMA, "0" * 64, 50, 0.6, 0.95, n)
        for n in range(30)
    ]
    print(sum(answer.failure is None for answer in model.ask(asked)), flush=True)
"""


def test_many_requests_are_one_batch(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        prices = Prices(10.0, 100.0)
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.05, prices=prices) as model:
            answers = list(model.ask(map(ask_for, range(200))))
        assert [answer.request.id for answer in answers] == [f"q{n}" for n in range(200)]
        assert all(answer.value["negative"].endswith("is no answer") for answer in answers)
        assert len(server.batches) == 1
        assert server.chats == 0
        assert model.spent["cost"] == pytest.approx(200 * (100 * 10.0 + 20 * 100.0) / 1e6 / 2), "half the price"
        assert model.totals["llm"]["sent"] == 200
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.05) as again:
            assert [answer.text for answer in again.ask(map(ask_for, range(200)))] == [one.text for one in answers]
        assert len(server.batches) == 1
        assert list(notes(tmp_path / "j", server.url)) == []


def test_what_a_batch_does_not_answer_goes_into_another(tmp_path: Path, ask_for: AskFor) -> None:
    def result(body, times):
        number = body["seed"]
        if number == 3:
            return (400, "this content is not allowed")
        if number in (4, 5) and times == 0:
            return "expired" if number == 4 else (500, "internal error")
        return (429, "busy") if number == 6 else None

    with (
        BatchServer(result=result) as server,
        open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model,
    ):
        failures = {answer.request.id: answer.failure for answer in model.ask(map(ask_for, range(8)))}
    assert {name: why for name, why in failures.items() if why} == {"q3": "HTTP 400", "q6": "HTTP 429"}
    assert sorted(server.asked.values()) == [1, 1, 1, 1, 1, 2, 2, 3]
    assert len(server.batches) == 3


def test_a_server_without_schemas_gets_none(tmp_path: Path, ask_for: AskFor) -> None:
    with (
        BatchServer(
            result=lambda body, times: (400, "response_format is not supported") if "response_format" in body else None
        ) as server,
        open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model,
    ):
        assert all(answer.failure is None for answer in model.ask(map(ask_for, range(5))))
    assert len(server.batches) == 2


def test_killed_it_goes_on_from_its_batch(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer(looks=10**9) as server:
        folder = str(Path(__file__).parents[1])
        command = [sys.executable, "-c", CHILD, server.url, str(tmp_path / "j"), folder]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not any(server.seen.values()) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.kill()
        child.communicate()
        server.looks = 1
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert [answer.failure for answer in model.ask(map(ask_for, range(40)))] == [None] * 40
        assert len(server.batches) == 2, "the first 30 are not sent again"
        assert set(server.asked.values()) == {1}
        assert list(notes(tmp_path / "j", server.url)) == []


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files", "/v1/batches/"])
def test_a_lost_answer_pays_for_nothing_twice(path: str, tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        server.lose = path
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert all(answer.failure is None for answer in model.ask(map(ask_for, range(5))))
        assert server.lose is None
        assert len(server.batches) == 1


@pytest.mark.parametrize("query", ["", "?api-version=1"])
def test_a_batch_is_found_on_a_later_page_of_the_list(query: str, tmp_path: Path, ask_for: AskFor) -> None:
    others = {f"batch_o{n}": {"id": f"batch_o{n}", "status": "completed", "metadata": None} for n in range(5)}
    with BatchServer() as server:
        create, server.page_size = server.create, 2

        def then_others(
            asked: dict[str, Any],
        ) -> dict[str, Any]:  # by the time of the next look, somebody else's are newer
            made = create(asked)
            server.batches.update(others)
            return made

        server.create, server.lose = then_others, "/v1/batches"  # type: ignore[method-assign]
        with open_model([server.url + query], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert all(answer.failure is None for answer in model.ask(map(ask_for, range(5))))
        assert server.lose is None
        assert len(set(server.batches) - set(others)) == 1


def test_a_list_whose_first_page_comes_again_and_again_is_left(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        create, page, server.page_size = server.create, server.page, 1

        def then_another(asked: dict[str, Any]) -> dict[str, Any]:
            made = create(asked)
            server.batches["batch_o"] = {"id": "batch_o", "status": "completed", "metadata": None}
            return made

        server.create, server.lose = then_another, "/v1/batches"  # type: ignore[method-assign]
        server.page = lambda query: page({"limit": query["limit"]})  # type: ignore[method-assign]
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert all(answer.failure is None for answer in model.ask(map(ask_for, range(2))))


def test_a_batch_that_fails_says_why(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        server.fail = "the organisation's enqueued tokens are used up"
        with (
            open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model,
            pytest.raises(ServiceError, match=r"failed: the organisation's enqueued tokens are used up; see to it"),
        ):
            list(model.ask(map(ask_for, range(5))))
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert all(answer.failure is None for answer in model.ask(map(ask_for, range(5))))


def test_a_batch_that_failed_is_not_taken_for_the_one_that_was_to_be_made(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        server.fail = "no funds"
        with (
            open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model,
            pytest.raises(ServiceError, match="no funds"),
        ):
            list(model.ask(map(ask_for, range(5))))
        server.refuse = "/v1/batches"
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model:
            assert all(answer.failure is None for answer in model.ask(map(ask_for, range(5))))
        assert server.refuse is None


def test_what_two_callers_ask_is_one_line(tmp_path: Path, ask_for: AskFor) -> None:
    with (
        BatchServer() as server,
        open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.3) as model,
        ThreadPoolExecutor(2) as pool,
    ):
        both = list(pool.map(lambda _: [one.text for one in model.ask(map(ask_for, range(5)))], range(2)))
        assert both[0] == both[1]
        assert list(server.asked.values()) == [1] * 5
        assert model.spent["prompt_tokens"] == 5 * TOKENS[0]


def test_what_is_no_json_is_told(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        server.garble = "/v1/files"
        with (
            open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02) as model,
            pytest.raises(ServiceError, match=r"/v1/files: gives no JSON object; is it OpenAI's batch API"),
        ):
            list(model.ask(map(ask_for, range(5))))


def test_limits_hold(tmp_path: Path, ask_for: AskFor) -> None:
    with BatchServer() as server:
        with open_model([server.url], journal=tmp_path / "j", batch=True, poll=0.02, max_tokens=3000) as model:
            with pytest.raises(LimitReached, match="3000 tokens"):
                list(model.ask(map(ask_for, range(60))))
            assert model.spent["prompt_tokens"] + model.spent["completion_tokens"] <= 3000
        assert len(server.batches) > 1, "what the worst case leaves room for goes on"


def test_what_takes_no_batches(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="not asked by the minute"),
        opened_models(Recipe("x"), {"batch_api": True, "tokens_per_minute": 5}, LOCAL),
    ):
        pass
    with (
        pytest.raises(UsageError, match="the embedded model takes no batches"),
        open_model(["local"], journal=tmp_path / "j", batch=True),
    ):
        pass
