from hnhub.progress.board import Board
from hnhub.progress.events import Event
from hnhub.progress.notebook import line


def shown(board: Board) -> str:
    assert board.working
    return line(board.working)


def test_a_line_names_the_stage_at_work_and_escapes_what_it_tells() -> None:
    board = Board()
    board.hear(Event("stages", 0, 2, stages=("corpus", "queries")))
    assert shown(board) == "<progress></progress> corpus"
    board.hear(Event("5 documents", 5, 5, "corpus", state="made"))
    assert shown(board) == "<progress></progress> queries"
    board.hear(Event("<b>asked</b>", 1, 4, "queries", tokens=20, unit="answers", dropped={"x": 3}))
    words = "queries, &lt;b&gt;asked&lt;/b&gt;: 1 of 4 answers, 20 tokens, 3 dropped"
    assert shown(board) == f'<progress value="1" max="4"></progress> {words}'
    board.hear(Event("4 queries", 4, 4, "queries", state="made"))
    assert board.working is None
