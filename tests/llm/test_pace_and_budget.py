import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import UsageError
from hnhub.llm.budget import Budget, Prices, estimate, worst_case
from hnhub.llm.pace import Pace


def drive(pace, latency, answers, capacity=10**9):
    """A closed loop against a simulated server: `latency(in_flight)` seconds an answer, 429 over `capacity`."""
    now, flying, peak = 0.0, [], 0
    for _ in range(answers):
        while len(flying) < pace.limit:
            if len(flying) >= capacity:
                pace.refused(now, now)
                break
            heapq.heappush(flying, (now + latency(len(flying) + 1), now))
        peak = max(peak, len(flying))
        full = len(flying) >= pace.limit
        now, sent = heapq.heappop(flying)
        pace.answered(now, sent, full=full)
    return peak, now


def test_grows_to_the_limit_while_throughput_grows():
    pace = Pace(8, 256)
    drive(pace, lambda n: 0.2, 2000)
    assert pace.limit == 256


@pytest.mark.parametrize("slots", [4, 20, 64])
def test_stays_near_what_the_server_can_do_at_once(slots):
    pace = Pace(8, 256)
    _, wall = drive(pace, lambda n: 0.5 * max(1.0, n / slots), 6000)
    assert slots / 2 <= pace.limit <= max(4 * slots, 16)
    assert wall < 1.25 * 6000 * 0.5 / slots


def test_backs_off_when_refused_and_recovers():
    pace = Pace(8, 256)
    peak, _ = drive(pace, lambda n: 0.1, 3000, capacity=30)
    assert peak <= 30
    assert 4 <= pace.limit <= 45


def test_latency_collapse_lowers_the_limit():
    pace = Pace(8, 64)
    drive(pace, lambda n: 0.1, 2000)
    assert pace.limit == 64
    drive(pace, lambda n: 0.1 * 2 ** (n / 8), 600)
    assert pace.limit < 64


def test_every_limit_that_is_set_is_named():
    told = str(Budget(max_tokens=500, max_cost=0.25).reached())
    assert told.startswith("the limit of 500 tokens or a cost of 0.25 would be passed by the next request")
    assert "limit of a cost of 0.25 would" in str(Budget(max_cost=0.25).reached())


@given(
    st.lists(st.tuples(st.integers(1, 300), st.integers(1, 100), st.floats(0, 1)), max_size=60), st.integers(0, 5000)
)
def test_budget_is_never_passed(requests, limit):
    """Whatever is used within the reserved worst case, in whatever order, the limit holds."""
    budget = Budget(max_tokens=limit)
    flying = []
    for prompt, completion, share in requests:
        if budget.reserve((prompt, completion)):
            flying.append(((prompt, completion), (int(prompt * share), int(completion * share))))
        if len(flying) > 3:
            worst, used = flying.pop(0)
            budget.settle(worst, *used)
        assert budget.prompt_tokens + budget.completion_tokens <= limit
    for worst, used in flying:
        budget.settle(worst, *used)
    assert budget.prompt_tokens + budget.completion_tokens <= limit


def test_estimate_and_worst_case(ask_for):
    sample = [ask_for(i, messages=ask_for(i).messages[1:], schema=None) for i in range(3)]
    found = estimate(sample, 300)
    assert (found.requests, found.sample) == (300, 3)
    assert found.completion_tokens == 300 * 50
    assert found.prompt_tokens == pytest.approx(300 * (7 / 4 + 5))
    assert found.cost(Prices(1.0, 2.0)) == pytest.approx((found.prompt_tokens + 2 * 15000) / 1e6)
    assert worst_case(sample[0])[1] == 50
    assert worst_case(sample[0])[0] > 7
    with pytest.raises(UsageError, match="no sample"):
        estimate([], 3)
