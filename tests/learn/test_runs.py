import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import InputError
from hnhub.learn.runs import read_run, run_of_mapping, run_of_matrix, without_same_id, write_run

IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=4)
RUNS = st.dictionaries(IDS, st.dictionaries(IDS, st.floats(-1e6, 1e6, width=32), min_size=1), min_size=1)


@given(run=RUNS)
def test_a_run_survives_its_file(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.trec"
    write_run(path, run_of_mapping(run), tag="a tag")
    assert read_run(path).as_mapping() == run
    assert all(len(line.split(" ")) == 6 for line in path.read_text(encoding="utf-8").split("\n")[:-1])


def test_ranks_stand_in_trec_evals_order(tmp_path):
    path = tmp_path / "run.trec"
    write_run(path, run_of_mapping({"q": {"a": 1.0, "c": 2.0, "b": 1.0}}), tag="x")
    assert path.read_text() == "q Q0 c 1 2 x\nq Q0 b 2 1 x\nq Q0 a 3 1 x\n"


def test_tabs_many_spaces_blank_lines_and_scattered_queries_are_read(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text('1\tQ0\td"1\t0\t2.5e1\ttag\n\n  2  Q0  d2 0 -1 tag \n1 Q0 d2 1 3\r\n')
    assert read_run(path).as_mapping() == {"1": {'d"1': 25.0, "d2": 3.0}, "2": {"d2": -1.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 d 1 2.0 t\nq d 1\n", "line 2: is not"),
        ("q Q0 d 1 nan t\n", "line 1: is not"),
        ("q Q0 d 1 high t\n", "line 1: is not"),
        ("q Q0 d 1 2 t\nq Q0 d 2 1 t\n", "line 2: document 'd' stands twice for query 'q'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    path = tmp_path / "run.trec"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_run(path)


def test_a_missing_file_and_ids_with_spaces_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_run(tmp_path / "run.trec")
    with pytest.raises(InputError, match="white space"):
        write_run(tmp_path / "run.trec", run_of_mapping({"q": {"a b": 1.0}}), tag="x")


def test_a_run_in_another_encoding_is_named(tmp_path):
    (tmp_path / "run.trec").write_bytes("q Q0 caf\xe9 1 2.0 x\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"run\.trec: can't be read .*; give a TREC run file in UTF-8"):
        read_run(tmp_path / "run.trec")


def test_padding_and_documents_of_the_querys_own_id_go():
    run = run_of_matrix(
        ["a", "b"], np.array([[0, 1, -1], [1, 0, 2]]), np.array([[3, 2, 0], [3, 2, 1.0]]), ["a", "b", "c"]
    )
    assert run.as_mapping() == {"a": {"a": 3.0, "b": 2.0}, "b": {"b": 3.0, "a": 2.0, "c": 1.0}}
    assert without_same_id(run).as_mapping() == {"a": {"b": 2.0}, "b": {"a": 2.0, "c": 1.0}}
