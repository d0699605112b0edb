from hnhub import progress
from hnhub.progress import Event


def test_what_models_used_is_told_with_the_stages_next_report() -> None:
    seen: list[Event] = []
    with progress.listening(seen.append):
        progress.count(tokens=5)
        progress.report("outside", 1)
        with progress.in_stage("queries") as used:
            progress.count(tokens=100, cost=0.5, failures=1)
            progress.count(tokens=20)
            progress.report("asking", 2, 4, unit="answers", dropped={"too_long": 1})
        progress.report("outside", 2)
    assert used.tokens == 120
    asking = seen[1]
    assert (asking.stage, asking.tokens, asking.cost, asking.failures, asking.unit) == (
        "queries",
        120,
        0.5,
        1,
        "answers",
    )
    assert str(asking) == "asking: 2 of 4 (50%), 120 tokens, cost 0.5000, 1 not parsed, 1 dropped"
    assert [(event.stage, event.tokens) for event in seen] == [(None, 5), ("queries", 120), (None, 5)]


def test_what_was_dropped_is_told_as_it_was_then() -> None:
    seen: list[Event] = []
    dropped = {"too_long": 1}
    with progress.listening(seen.append):
        progress.report("asking", 1, dropped=dropped)
        dropped["too_long"] = 2
        progress.report("asking", 2, dropped=dropped)
    assert [event.dropped["too_long"] for event in seen] == [1, 2]


def test_where_nobody_listens_nothing_is_counted() -> None:
    seen: list[progress.Event] = []
    progress.count(tokens=1)
    progress.report("x", 1)
    with progress.listening(seen.append):
        progress.report("y", 1)
    assert [(event.what, event.tokens) for event in seen] == [("y", 0)]
