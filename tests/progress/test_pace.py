import pytest

from hnhub.progress.events import Event
from hnhub.progress.pace import Pace, clock, figures, per_second


def paced(*marks: tuple[float, int, int]) -> Pace:
    pace = Pace()
    for mark in marks:
        pace.add(*mark)
    return pace


def test_rates_and_remaining_time_are_of_what_was_measured() -> None:
    pace = paced((100.0, 0, 0), (101.0, 20, 500), (102.0, 40, 1000))
    assert (pace.rate, pace.token_rate) == (20, 500)
    assert pace.remaining(100, 102.0) == 3
    assert pace.remaining(100, 103.5) == 1.5  # time goes on between two reports
    assert pace.remaining(100, 200.0) == 0
    assert pace.remaining(None, 102.0) is None


def test_nothing_is_told_of_the_first_measurement_or_of_no_growth() -> None:
    for pace in (Pace(), paced((1.0, 5, 5)), paced((1.0, 5, 5), (2.0, 5, 5))):
        assert pace.rate is None
        assert pace.token_rate is None
        assert pace.remaining(10, 3.0) is None


def test_what_is_long_past_counts_no_more_but_a_slow_batch_still_has_a_rate() -> None:
    fast_then_slow = paced(*((float(second), 1000 * second, 0) for second in range(10)))
    for second in range(10, 60):
        fast_then_slow.add(float(second), 9000 + second, 0)
    assert fast_then_slow.rate == pytest.approx(1)
    assert paced((0.0, 0, 0), (90.0, 9, 0), (180.0, 18, 0)).rate == 0.1


def test_many_reports_a_second_take_no_memory() -> None:
    pace = paced(*((number / 1000, number, 0) for number in range(20_000)))
    assert len(pace.marks) < 250
    assert pace.rate == pytest.approx(1000)


def test_figures_in_words() -> None:
    pace = paced((0.0, 0, 0), (10.0, 4, 1000))
    event = Event("x", 4, 12, tokens=1000, unit="queries", cost=0.25, failures=2, dropped={"a": 1, "b": 2})
    assert figures(event, pace) == [
        "4 of 12 queries (0.40/s)",
        "1,000 tokens (100/s)",
        "cost 0.2500",
        "2 not parsed",
        "3 dropped",
    ]
    assert figures(Event("x", 1234), Pace()) == ["1,234"]
    assert [per_second(rate) for rate in (5120, 12.3, 1.25, 0.5, 0.05)] == [
        "5,120/s",
        "12/s",
        "1.2/s",
        "0.50/s",
        "3.0/min",
    ]
    assert [clock(seconds) for seconds in (0.4, 61, 3729)] == ["0:00", "1:01", "1:02:09"]
