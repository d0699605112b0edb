"""Runs that stop in the middle: killed, interrupted, out of budget. What was answered is kept and not asked again."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hnhub.errors import LimitReached, UsageError
from hnhub.llm.budget import Prices, worst_case
from hnhub.llm.open import open_model
from llm_servers.client import request
from llm_servers.scripted import TOKENS, Scripted, answer_to

TESTS = Path(__file__).parents[1]


def start_client(server: Scripted, journal: Path, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "llm_servers.client", server.url, str(journal), str(count)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def answers_in(journal: Path) -> int:
    with sqlite3.connect(journal) as connection:
        return int(connection.execute("SELECT count(*) FROM answers").fetchone()[0])


def wait_for(server: Scripted, answered: int) -> None:
    while sum(server.answered.values()) < answered:
        time.sleep(0.002)


def test_killed_client_sends_only_what_is_missing(tmp_path):
    count, journal = 400, tmp_path / "j.sqlite"
    chance = random.Random(7)
    with Scripted(delay=0.05) as server:
        for stop_at in sorted(chance.randrange(10, count - 40) for _ in range(3)):
            client = start_client(server, journal, count)
            wait_for(server, stop_at)
            client.kill()
            seen = client.communicate()[0].splitlines()
            # An answer is on the disk before anybody sees it.
            assert answers_in(journal) >= len([line for line in seen if line.startswith("q") and line.endswith("}")])
        kept = answers_in(journal)
        assert kept >= 10
        server.tries.clear()
        out, error = start_client(server, journal, count).communicate()
        assert sum(server.tries.values()) == count - kept, error
    lines = out.splitlines()
    assert lines[:-1] == [f"q{i} {answer_to(f'query {i}', i)}" for i in range(count)]
    totals = json.loads(lines[-1])["llm"]
    assert (totals["requests"], totals["cached"], totals["sent"]) == (count, kept, count - kept)


def test_interrupted_client_keeps_answers_in_flight(tmp_path):
    journal = tmp_path / "j.sqlite"
    with Scripted(delay=0.3) as server:
        client = start_client(server, journal, 400)
        wait_for(server, 60)
        time.sleep(0.1)  # others are in flight now
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=30)
        assert client.returncode == 130
        assert answers_in(journal) == sum(server.answered.values()) == sum(server.tries.values())
        assert answers_in(journal) < 400


def test_closing_the_iterator_keeps_answers_in_flight(tmp_path, ask_for):
    with Scripted(delay=0.05) as server, open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = model.ask(ask_for(i) for i in range(1000))
        first = next(answers)
        answers.close()
        kept = sum(server.answered.values())
        assert first.request.id == "q0"
        assert kept < 1000
        assert len(list(model.ask(ask_for(i) for i in range(1000)))) == 1000
        assert sum(server.tries.values()) == 1000
        assert answers_in(tmp_path / "j.sqlite") == 1000


@pytest.mark.parametrize("fault", ["500", "429"])
def test_nothing_more_is_sent_for_who_has_closed_the_iterator(fault, tmp_path, ask_for):
    def script(key: str, _: int) -> str | None:
        return None if key.endswith("/0") else fault

    with Scripted(fault=script) as server, open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = model.ask(ask_for(i) for i in range(40))
        next(answers)
        answers.close()
        sent = sum(server.tries.values())
        time.sleep(1.5)
        assert sum(server.tries.values()) == sent


@pytest.mark.parametrize("fault", [None, "reset in mid-answer"])
def test_budget_is_never_passed(fault, tmp_path, ask_for):
    limit = 6000

    def script(key: str, times: int) -> str | None:
        return fault if times == 0 and int(key.split("/")[1]) % 5 == 0 else None

    with Scripted(fault=script, delay=0.01) as server:
        given = []
        with (
            open_model([server.url], journal=tmp_path / "j.sqlite", max_tokens=limit) as model,
            pytest.raises(LimitReached, match="limit of 6000 tokens"),
        ):
            given.extend(model.ask(ask_for(i) for i in range(200)))
        assert limit - sum(worst_case(ask_for(0))) * 2 < model.spent["prompt_tokens"] + model.spent["completion_tokens"]
        assert server.tokens <= limit
        kept = answers_in(tmp_path / "j.sqlite")
        assert len(given) <= kept <= limit // sum(TOKENS)
        server.tries.clear()
        with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
            assert len(list(model.ask(ask_for(i) for i in range(200)))) == 200
        assert len(server.tries) == 200 - kept


def test_cost_is_limited_by_the_given_prices(tmp_path, ask_for):
    prices = Prices(prompt=1.0, completion=4.0)
    with (
        Scripted() as server,
        open_model([server.url], journal=tmp_path / "j.sqlite", max_cost=0.005, prices=prices) as model,
        pytest.raises(LimitReached, match=r"cost of 0.005"),
    ):
        list(model.ask(ask_for(i) for i in range(100)))
    assert 0.003 < model.spent["cost"] <= 0.005
    assert model.spent["cost"] == pytest.approx(answers_in(tmp_path / "j.sqlite") * prices.cost(*TOKENS))
    with pytest.raises(UsageError, match="needs prices"):
        open_model(["local"], journal=tmp_path / "j.sqlite", max_cost=1.0).__enter__()


def test_memory_does_not_grow_with_the_number_of_requests(tmp_path):
    """Resident memory after 1,000 and after 6,000 answers."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    sizes = {}
    with Scripted() as server, open_model([server.url], journal=tmp_path / "j.sqlite", max_in_flight=16) as model:
        for number, _ in enumerate(model.ask(request(i) for i in range(6000)), 1):
            if number == 1000:
                server.tries.clear()
                server.answered.clear()
            if number in (1000, 6000):
                sizes[number] = resident()
    assert sizes[6000] - sizes[1000] < 12_000_000, sizes
