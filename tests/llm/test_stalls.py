"""Requests that hang hold nobody up, and slow ones are not paid twice."""

import time
from pathlib import Path
from typing import Any

import pytest

from hnhub.llm.endpoints import Endpoint, Served
from hnhub.llm.open import open_model
from hnhub.llm.pace import Pace
from llm_servers.scripted import Scripted, answer_to


def endpoint(*latencies: float) -> Endpoint:
    one = Endpoint(None, Served("openai", "m", None, None), Pace(1, 8))  # type: ignore[arg-type]
    one.latencies.extend(latencies)
    return one


def test_late_and_deadline_follow_the_latencies_seen() -> None:
    assert endpoint().first_deadline() == float("inf")
    assert endpoint(*[0.05] * 50).late_after() == 1.0
    assert endpoint(*[0.05] * 50).first_deadline() == 60.0
    assert endpoint(*[0.05] * 50, 30.0).first_deadline() == 600.0
    assert endpoint(*[4.0] * 50).late_after() == 16.0


def stalling() -> Any:
    """Every 13th and 17th request gets half a body and silence, every 7th a 429."""
    count = 0

    def script(key: str, times: int) -> str | None:
        nonlocal count
        count += 1
        if count % 13 == 0 or count % 17 == 0:
            return "half a body"
        return "429" if count % 7 == 0 else None

    return script


@pytest.mark.slow
def test_half_bodies_do_not_hold_up_the_others(tmp_path: Path, ask_for: Any) -> None:
    started = time.monotonic()
    with (
        Scripted(fault=stalling(), delay=0.05) as server,
        open_model([server.url], journal=tmp_path / "j.sqlite") as model,
    ):
        answers = list(model.ask(ask_for(i) for i in range(200)))
    assert [answer.text for answer in answers] == [answer_to(f"query {i}", i) for i in range(200)]
    assert time.monotonic() - started < 90


def test_hung_requests_leave_their_places_to_others(tmp_path: Path, ask_for: Any, monkeypatch: Any) -> None:
    """Two at once, of which two hang: the others are answered long before the deadline."""
    monkeypatch.setattr("hnhub.llm.endpoints._LATE", 0.2)
    monkeypatch.setattr("hnhub.llm.endpoints._LATE_UNKNOWN", 0.2)
    monkeypatch.setattr("hnhub.llm.endpoints._FLOOR", 3.0)
    hung = {"query 0/0", "query 1/1"}
    arrived = {}
    started = time.monotonic()
    with (
        Scripted(fault=lambda key, times: "hung socket" if key in hung and times == 0 else None, delay=0.01) as server,
        open_model([server.url], journal=tmp_path / "j.sqlite", max_in_flight=2, deadline=4) as model,
    ):

        def requests() -> Any:
            for number in range(60):
                yield ask_for(number)

        answers = []
        for answer in model.ask(requests()):
            answers.append(answer)
            arrived[answer.request.id] = time.monotonic() - started
        others = sum(server.answered.values())
    assert [answer.text for answer in answers] == [answer_to(f"query {i}", i) for i in range(60)]
    assert others == 60
    assert time.monotonic() - started < 10


def test_a_slow_answer_is_not_paid_twice(tmp_path: Path, ask_for: Any, monkeypatch: Any) -> None:
    """Others took 10 ms; one takes 1.5 s, far longer than "late", and is waited for."""
    monkeypatch.setattr("hnhub.llm.endpoints._LATE", 0.1)
    slow = "query 5/5"

    def text(question: str, seed: int) -> str:
        return answer_to(question, seed)

    with Scripted(delay=0.01, text=text) as server:
        plain = server._answer

        async def answer(body: Any, writer: Any) -> bool:
            import asyncio

            if f"{body['messages'][-1]['content']}/{body['seed']}" == slow:
                await asyncio.sleep(1.5)
            return await plain(body, writer)

        server._answer = answer  # type: ignore[method-assign]
        with open_model([server.url], journal=tmp_path / "j.sqlite", max_in_flight=2) as model:
            answers = list(model.ask(ask_for(i) for i in range(40)))
        assert server.tries[slow] == 1
    assert all(answer.failure is None for answer in answers)
