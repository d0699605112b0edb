import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.llm.budget import Prices
from hnhub.llm.open import open_model
from hnhub.llm.structured import ASKS, another_ask, read
from hnhub.progress import in_stage
from llm_servers.scripted import Scripted

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "q": {"type": "string", "minLength": 1, "maxLength": 20},
            "n": {"type": "integer", "enum": [0, 1, 2]},
            "l": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 3}},
        },
        "required": ["q"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    "text",
    [
        '{"q": "a"}',
        'Sure! Here it is:\n```json\n{"q": "a"}\n```\nAnything else?',
        "{'q': 'a'}",
        '{"q": "a",}',
        'I mean {this}: {"q": "a"}',
        '{"r": 1} {"q": "a"}',
    ],
)
def test_tolerated(text):
    assert read(text, SCHEMA) == ({"q": "a"}, None)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("no", "not JSON"),
        ("", "not JSON"),
        ('{"q": "a', "not JSON"),
        ('{"n": 1}', "answer breaks the schema's required"),
        ('{"q": 1}', "answer.q breaks the schema's type"),
        ('{"q": ""}', "answer.q breaks the schema's minLength"),
        ('{"q": "aaaaaaaaaaaaaaaaaaaaa"}', "answer.q breaks the schema's maxLength"),
        ('{"q": "a", "n": 3}', "answer.n breaks the schema's enum"),
        ('{"q": "a", "n": true}', "answer.n breaks the schema's type"),
        ('{"q": "a", "x": 1}', "answer breaks the schema's additionalProperties"),
        ('{"q": "a", "l": ["a", "b", "c"]}', "answer.l breaks the schema's maxItems"),
        ('{"q": "a", "l": ["abcd"]}', "answer.l[0] breaks the schema's maxLength"),
    ],
)
def test_refused(text, wrong):
    assert read(text, SCHEMA) == (None, wrong)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    value, wrong = read(text, SCHEMA)
    assert (value is None) == (wrong is not None)


@given(st.text("ab\"\\{}\n'é ", min_size=1, max_size=20), st.text("xyz \n", max_size=20))
def test_json_in_prose_is_found(value, prose):
    assert read(prose + json.dumps({"q": value}) + prose, SCHEMA) == ({"q": value}, None)


def test_asks_again_with_other_seeds_and_a_rerun_takes_the_same_path(tmp_path, ask_for):
    """Of 30 requests every third is answered badly by its first seed, every tenth by all seeds."""
    first = {i: ask_for(i) for i in range(30)}

    def text(question: str, seed: int) -> str:
        number = int(question.split()[1])
        bad = number % 10 == 0 or (number % 3 == 0 and seed == number)
        return "I'd rather not" if bad else json.dumps({"negative": f"{question} {seed}"})

    with Scripted(text=text) as server:
        for run in range(2):
            prices = Prices(prompt=1, completion=2)
            with open_model([server.url], journal=tmp_path / "j.sqlite", prices=prices) as model, in_stage("x") as used:
                answers = list(model.ask(first.values()))
                totals = model.totals["llm"]
            assert [int(a.request.id[1:]) for a in answers if a.failure] == [0, 10, 20]
            assert answers[0].failure == "not JSON after 3 asks"
            third = another_ask(first[3], 1)
            assert answers[3].value == {"negative": f"query 3 {third.seed}"}
            assert answers[3].provenance.seed == third.seed
            assert (answers[3].prompt_tokens, answers[3].completion_tokens) == (200, 40)
            assert totals["parse_failures"] == 3 * ASKS + 9
            assert totals["requests"] == 30 + 3 * 2 + 9
            assert totals["sent"] == (totals["requests"] if run == 0 else 0)
            assert totals["cached"] == totals["requests"] - totals["sent"]
            # What is told of it is what this run sent, and every answer that was none.
            assert used.failures == totals["parse_failures"]
            assert used.tokens == totals["sent"] * (100 + 20)
            assert used.cost == pytest.approx(totals["sent"] * (100 * 1 + 20 * 2) / 1e6)


def test_server_without_schemas_is_read_tolerantly(tmp_path, ask_for):
    class Plain(Scripted):
        async def _answer(self, body, writer):
            if "response_format" in body:
                data = b'{"error": "response_format is not supported"}'
                writer.write(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))
                return True
            return await super()._answer(body, writer)

    with Plain() as server, open_model([server.url], journal=tmp_path / "j.sqlite") as model:
        answers = list(model.ask(ask_for(i) for i in range(20)))
    assert [answer.failure for answer in answers] == [None] * 20


def test_another_ask_is_never_greedy_and_repeatable(ask_for):
    request = ask_for(1, temperature=0.0)
    assert another_ask(request, 0) is request
    assert another_ask(request, 1) == another_ask(request, 1)
    assert len({another_ask(request, ask).seed for ask in range(ASKS)}) == ASKS
    assert all(another_ask(request, ask).temperature >= 0.3 for ask in (1, 2))
