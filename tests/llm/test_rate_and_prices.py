"""Caps on requests and tokens a minute, and prices as data."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import InputError, LimitReached, UsageError
from hnhub.llm.budget import Budget, Prices, worst_case
from hnhub.llm.open import open_model
from hnhub.llm.prices import PriceList, read_prices
from hnhub.llm.rate import Rate
from hnhub.llm.types import Request
from llm_servers.scripted import Scripted

AskFor = Callable[..., Request]


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 100), st.floats(0, 0.5)), min_size=1, max_size=60),
    st.one_of(st.none(), st.integers(1, 9)),
    st.one_of(st.none(), st.integers(400, 2000)),
)
def test_no_minute_holds_more_than_the_caps(asked, requests, tokens) -> None:
    rate, now, log = Rate(requests, tokens, window=1.0), 0.0, []
    for worst, percent, gap in asked:
        now += gap
        while wait := rate.wait(now, worst):
            assert wait > 0
            now += max(wait, 1e-9)
        sent = rate.take(now, worst)
        log.append((now, worst))
        if percent < 50:  # answered: it used less
            sent.tokens = log[-1][1] * percent // 100
            log[-1] = (now, sent.tokens)
    for start, _ in log:
        inside = [used for at, used in log if start <= at < start + 1.0 - 1e-6]
        assert requests is None or len(inside) <= requests
        assert tokens is None or sum(inside) <= tokens


def test_what_is_over_the_cap_by_itself_goes_alone() -> None:
    rate = Rate(tokens=100, window=1.0)
    assert rate.wait(0.0, 500) == 0
    rate.take(0.0, 500)
    assert rate.wait(0.25, 1) == pytest.approx(0.75)
    assert rate.wait(1.0, 1) == 0


@pytest.mark.parametrize("tokens", [False, True])
def test_an_endpoint_is_asked_no_faster(tokens: bool, tmp_path: Path, ask_for: AskFor) -> None:
    """10 in a window of 0.4 s: 35 requests take four windows."""
    worst = sum(worst_case(ask_for(10)))
    rate = Rate(tokens=10 * worst, window=0.4) if tokens else Rate(requests=10, window=0.4)
    asked = (ask_for(number) for number in range(10, 45))
    with Scripted(delay=0.5 if tokens else 0.0) as server:  # unanswered, each counts its worst case
        started = time.monotonic()
        with open_model([server.url], journal=tmp_path / "j", rate=rate) as model:
            assert all(answer.failure is None for answer in model.ask(asked))
        seconds = time.monotonic() - started
    assert seconds >= 3 * 0.4
    assert server.most_at_once <= (20 if tokens else 35)


def test_a_price_list_is_read(tmp_path: Path) -> None:
    toml = tmp_path / "prices.toml"
    toml.write_text('["gpt-tiny"]\ninput = 0.25\noutput = 2\n["acme/big"]\ninput = 1.0\noutput = 4.0\nbatch = 0.75\n')
    found = read_prices(toml)
    assert found.of("gpt-tiny") == Prices(0.25, 2.0)
    assert found.of("gpt-tiny", batch=True) == Prices(0.125, 1.0)
    assert found.of("acme/big", batch=True) == Prices(0.75, 3.0)
    assert found.of("other") is None
    (tmp_path / "prices.json").write_text('{"gpt-tiny": {"input": 0.25, "output": 2}}')
    assert read_prices(tmp_path / "prices.json").of("gpt-tiny") == Prices(0.25, 2.0)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "names no model"),
        ("x = 1", "x: has not input and output"),
        ('["m"]\ninput = 1\noutput = 1\nextra = 1', "m: has not input and output"),
        ('["m"]\ninput = -1\noutput = 1', "m: input is no number of 0 or more"),
        ('["m"]\ninput = true\noutput = 1', "m: input is no number"),
        ("not toml", "can't be read as a price list"),
    ],
)
def test_a_bad_price_list_is_refused(text: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(InputError, match=wrong):
        read_prices(tmp_path / "p.toml")


def test_a_limit_on_cost_needs_the_models_price(tmp_path: Path, ask_for: AskFor) -> None:
    listed = PriceList({"other": (Prices(1, 1), 0.5)}, "prices.toml")
    with Scripted() as server:
        with (
            pytest.raises(UsageError, match=r"prices.toml: has no price of scripted"),
            open_model([server.url], journal=tmp_path / "j", max_cost=1.0, prices=listed),
        ):
            pass
        with open_model([server.url], journal=tmp_path / "j", prices=listed) as model:
            assert model.prices is None
            list(model.ask([ask_for(1)]))
            assert model.spent["cost"] == 0
        known = PriceList({"scripted": (Prices(1e4, 1e5), 0.5)})
        with open_model([server.url], journal=tmp_path / "j", max_cost=30.0, prices=known) as model:
            with pytest.raises(LimitReached, match=r"a cost of 30.0 would be passed"):
                list(model.ask(map(ask_for, range(2, 60))))
            assert 0 < model.spent["cost"] <= 30.0


def test_models_with_prices_of_their_own_share_a_budget() -> None:
    budget = Budget(max_cost=1.0)
    cheap, dear = Prices(1.0, 1.0), Prices(1000.0, 1000.0)
    assert budget.reserve((1000, 0), dear)
    assert not budget.reserve((1, 0), dear)
    budget.settle((1000, 0), 500, 0, dear)
    assert budget.cost == pytest.approx(0.5)
    assert budget.reserve((400_000, 0), cheap)
    budget.settle((400_000, 0), 400_000, 0, cheap)
    assert (budget.fresh(), budget.cost) == ((400_500, pytest.approx(0.9)), pytest.approx(0.9))
