"""Every fault an endpoint can show: no answer lost, none twice, and the same answers as without faults."""

import json
import sqlite3
import zlib
from pathlib import Path

import pytest

from hnhub.errors import ServiceError, UsageError
from hnhub.llm.open import open_model
from llm_servers.scripted import FAULTS, Scripted, answer_to

N = 40


def now_and_then(fault):
    """The fault on the first try of every third request, and on the second try of every ninth."""

    def script(key: str, times: int) -> str | None:
        number = zlib.crc32(key.encode())
        return fault if (times == 0 and number % 3 == 0) or (times == 1 and number % 9 == 0) else None

    return script


@pytest.mark.parametrize("tgi", [False, True], ids=["openai", "tgi"])
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_costs_no_answer(fault, tgi, tmp_path, ask_for):
    requests = [ask_for(i) for i in range(N)]
    template = "{% for m in messages %}{{ m.content if loop.last }}{% endfor %}"
    with (
        Scripted(fault=now_and_then(fault), tgi=tgi) as server,
        open_model(
            [server.url], journal=tmp_path / "j.sqlite", deadline=0.5, chat_template=template if tgi else None
        ) as model,
    ):
        answers = list(model.ask(requests))
        faults = sum(model.faults.values())
    assert faults >= N // 4, "the fault did not happen"
    assert [answer.request for answer in answers] == requests
    assert [answer.text for answer in answers] == [answer_to(f"query {i}", i) for i in range(N)]
    assert [answer.value for answer in answers] == [json.loads(answer_to(f"query {i}", i)) for i in range(N)]
    assert all(count == 1 for count in server.answered.values())
    assert sum(server.answered.values()) == N
    with sqlite3.connect(tmp_path / "j.sqlite") as journal:
        assert journal.execute("SELECT count(*), (SELECT count(*) FROM failures) FROM answers").fetchone() == (N, 0)


def test_an_endpoint_that_asks_for_a_day_is_not_waited_for(tmp_path, ask_for):
    with Scripted(fault=lambda *_: "429 with Retry-After") as server:
        server.retry_after = "86400"
        with (
            open_model([server.url], journal=tmp_path / "j.sqlite") as model,
            pytest.raises(ServiceError, match="429: slow down"),
        ):
            list(model.ask([ask_for(0)]))


def test_connection_refused_until_the_server_is_there(tmp_path, ask_for):
    with Scripted() as server:
        with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
            first = list(model.ask([ask_for(0)]))
        port = int(server.url.rpartition(":")[2])
    import threading
    import time

    back = Scripted(port=port)

    def come_back():
        time.sleep(0.7)
        back.__enter__()

    thread = threading.Thread(target=come_back)
    thread.start()
    # Opened while nothing listens: what the endpoint served is known from the journal.
    with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = list(model.ask([ask_for(i) for i in range(N)]))
    thread.join()
    back.__exit__()
    assert answers[0].cached
    assert answers[0].text == first[0].text
    assert [answer.text for answer in answers] == [answer_to(f"query {i}", i) for i in range(N)]
    assert sum(back.answered.values()) == N - 1


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long waits before a request is tried again."""
    monkeypatch.setattr("hnhub.llm.dispatch._LONGEST_RETRY", 0.05)


@pytest.mark.usefixtures("impatient")
def test_endpoint_that_is_gone_is_an_error_and_keeps_what_was_made(tmp_path, ask_for):
    with Scripted(
        fault=lambda key, times: "reset before the answer" if int(key.split("/")[1]) >= 10 else None
    ) as server:
        with (
            open_model([server.url], journal=tmp_path / "j.sqlite", max_in_flight=2) as model,
            pytest.raises(ServiceError, match="connection lost"),
        ):
            list(model.ask([ask_for(i) for i in range(30)]))
        server.fault = lambda key, times: None
        server.tries.clear()
        with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
            answers = list(model.ask([ask_for(i) for i in range(30)]))
        assert sum(server.tries.values()) == 20
    assert all(answer.failure is None for answer in answers)


def test_dead_endpoint_among_others_is_left_out_and_tried_again(tmp_path, ask_for):
    bad = {"until": 3}

    def failing(key: str, times: int) -> str | None:
        bad["until"] -= 1
        return "reset before the answer" if bad["until"] >= 0 else None

    with Scripted(delay=0.01) as one, Scripted(fault=failing, delay=0.01) as two:
        with open_model([one.url, two.url], journal=tmp_path / "j.sqlite", max_in_flight=4) as model:
            answers = list(model.ask([ask_for(i) for i in range(300)]))
        shares = sum(one.answered.values()), sum(two.answered.values())
    assert all(answer.failure is None for answer in answers)
    assert sum(shares) == 300
    assert min(shares) > 30, shares


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["500", "reset before the answer", "reset in mid-answer"])
def test_long_passing_fault_costs_no_answer(fault, tmp_path, ask_for):
    with (
        Scripted(fault=lambda key, times: fault if key.startswith("query 7/") and times < 15 else None) as server,
        open_model([server.url], journal=tmp_path / "j.sqlite") as model,
    ):
        answers = list(model.ask([ask_for(i) for i in range(20)]))
    assert [answer.text for answer in answers] == [answer_to(f"query {i}", i) for i in range(20)]


@pytest.mark.usefixtures("impatient")
def test_refused_request_is_a_failure_of_its_own_and_asked_again_by_a_rerun(tmp_path, ask_for):
    with Scripted(fault=lambda key, times: "500" if key.startswith("query 7/") else None) as server:
        with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
            answers = list(model.ask([ask_for(i) for i in range(20)]))
            totals = model.totals["llm"]
        assert [answer.request.id for answer in answers if answer.failure] == ["q7"]
        assert answers[7].failure == "HTTP 500"  # the server's own words stay in the journal
        assert answers[7].text is None
        assert totals["failures"] == {"HTTP 500": 1}
        assert totals["sent"] == 19 + 18
        server.fault = lambda key, times: None
        with open_model([server.url], journal=tmp_path / "j.sqlite") as model:
            again = list(model.ask([ask_for(i) for i in range(20)]))
            assert model.totals["llm"]["sent"] == 1
    assert again[7].failure is None


def test_overloaded_server_gets_fewer_at_once(tmp_path, ask_for):
    with Scripted(at_once=4, delay=0.02) as server, open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = list(model.ask([ask_for(i) for i in range(150)]))
        refused = sum(model.faults.values())
    assert all(answer.failure is None for answer in answers)
    assert sum(server.answered.values()) == 150
    assert 0 < refused < 150


def test_nobody_there_is_one_clear_error(tmp_path):
    with pytest.raises(ServiceError, match=r"no endpoint answers \(http://127.0.0.1:9: no connection"):
        open_model(["http://127.0.0.1:9"], journal=tmp_path / "j.sqlite").__enter__()


@pytest.mark.parametrize("given", [[], ["local", "http://127.0.0.1:9"], ["ftp://x"], ["localhost:8080"]])
def test_bad_endpoints_are_refused(given, tmp_path):
    with pytest.raises(UsageError):
        open_model(given, journal=Path(tmp_path) / "j.sqlite").__enter__()


def test_more_at_once_while_that_brings_more(tmp_path, ask_for):
    with Scripted(delay=0.1) as server, open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = list(model.ask(ask_for(i) for i in range(400)))
    assert len(answers) == 400
    assert server.most_at_once >= 32
