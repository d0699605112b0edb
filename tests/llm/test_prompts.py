import hashlib
import json
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.errors import InputError, UsageError
from hnhub.llm import structured
from hnhub.llm.prompts import DEFAULT_FAMILY, STYLES, families, find_prompt
from hnhub.llm.structured import read
from hnhub.llm.types import Answer
from hnhub.records import Provenance

VALUES = {
    "query": ("passage",),
    "query-judge": ("query", "passage"),
    "negative": ("query",),
    "negative-pos": ("query", "positive"),
    "graded": ("query", "positive"),
    "judge": ("query", "passage"),
    "judge-list": ("query", "positive", "passages"),
}
EVERY = [(task, family) for task in VALUES for family in families(task)]


def answer(text, value=None, request=None):
    return Answer(request, text, value, None if text else "no", 1, 1, Provenance("llm"), cached=False)


@pytest.mark.parametrize(("task", "family"), EVERY)
def test_prompt_file_is_whole(task, family):
    prompt = find_prompt(task, family)
    assert (prompt.task, prompt.family) == (task, family)
    name = f"{task}.toml" if family == DEFAULT_FAMILY else f"{task}.{family}.toml"
    data = (resources.files("hnhub.llm") / "prompt_files" / name).read_bytes()
    assert prompt.sha256 == hashlib.sha256(data).hexdigest()
    assert prompt.text == data.decode()
    values = (*VALUES[task], *(("second",) if family == "multi-hop" else ()))
    assert prompt.placeholders == values
    messages = prompt.messages(**{value: f"<{value} goes here>" for value in values})
    assert all(f"<{value} goes here>" in messages[-1].content for value in values)
    assert "{{" not in "".join(message.content for message in messages)
    # Few-shot: the examples' answers fit the schema, or the model is taught to break it.
    shots = [message.content for message in messages if message.role == "assistant"]
    assert len(shots) >= 2
    assert prompt.schema is not None
    assert [structured.read(shot, prompt.schema)[1] for shot in shots] == [None] * len(shots)
    assert messages[-1].role == "user"


def test_families_that_have_no_prompt_get_the_default():
    assert find_prompt("query", "no such family") == find_prompt("query")
    assert find_prompt("query", None).family == DEFAULT_FAMILY
    assert find_prompt("query", "argument").sha256 != find_prompt("query").sha256


def test_texts_of_an_answer():
    prompt = find_prompt("negative")
    assert prompt.texts(answer("{}", {"negative": " a\n b "})) == ("a b",)
    assert prompt.texts(answer("{}", {"negative": " "})) == ()
    assert prompt.texts(answer(None)) == ()


@given(st.text(max_size=300))
def test_values_are_put_in_as_they_are(value):
    prompt = find_prompt("negative")
    assert prompt.messages(query=value)[-1].content == prompt.turns[-1].content.replace("{{query}}", value)


def test_long_values_are_cut_at_a_word():
    prompt = find_prompt("query")
    limit = prompt.limits["passage"]
    (cut,) = {message.content for message in prompt.messages(passage="word " * limit)} - {
        m.content for m in prompt.turns
    }
    assert cut.count("word") == limit // 5
    assert find_prompt("query").messages(passage="x" * limit * 2)[-1].content.count("x") == limit


GOOD = """task = "query"
max_tokens = 10
[[messages]]
role = "user"
content = "Ask about {{passage}}"
"""


def test_users_own_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    prompt = find_prompt("query", path=path)
    assert prompt.schema is None
    assert [message.content for message in prompt.messages(passage="bees")] == ["Ask about bees"]
    assert prompt.texts(answer(" what do bees\ndo ")) == ("what do bees do",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{{passage}}", "{{passage}} and {{title}}", r"unknown placeholder \{\{title\}\}; task query has passage"),
        ("{{passage}}", "bees", r"no message has the placeholder \{\{passage\}\}"),
        ("{{passage}}", "{{ passage }} {{}}", "unknown placeholder"),
        ('"query"', '"judge"', "task is 'judge'"),
        ("max_tokens = 10", "max_tokens = 0", "max_tokens is not a positive number"),
        ("max_tokens = 10", 'max_tokens = 10\nsystem = "x"', "unknown member 'system'"),
        ("max_tokens = 10", "max_tokens = 10\nschema = '{}'", "schema is not"),
        ("max_tokens = 10", 'max_tokens = 10\nschema = \'{"properties": {"q": {}}}\'', "no place for the answer"),
        ("max_tokens = 10", "max_tokens = 10\nlimits = {title = 3}", "limits are not"),
        ('role = "user"', 'role = "robot"', "messages are not"),
        ("[[messages]]", "[messages", "is not TOML"),
    ],
)
def test_bad_file_is_refused_with_its_name(old, new, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        find_prompt("query", path=path)
    assert str(path) in str(error.value)


def test_wrong_use_is_refused(tmp_path):
    with pytest.raises(UsageError, match="prompt task 'poem' is not known"):
        find_prompt("poem")
    with pytest.raises(UsageError, match="give exactly query"):
        find_prompt("negative").messages(passage="x")
    with pytest.raises(InputError, match="can't be read"):
        find_prompt("query", path=tmp_path / "nothing.toml")


def test_every_family_of_the_catalog_has_a_query_prompt():
    from hnhub.corpus.spec import FAMILIES

    assert set(families("query")) == {*FAMILIES, *STYLES}


SCHEMA_OF_ONES_OWN = """task = "query"
max_tokens = 40
schema = '''{schema}'''
[[messages]]
role = "user"
content = "{{{{passage}}}}"
"""


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('{"type": "objct", "properties": {"query": {}}}', "schema is no JSON schema at type"),
        ('{"properties": {"query": {"maxLength": "9"}}}', "schema is no JSON schema at properties.query.maxLength"),
        ('{"properties": {"query": {"$ref": "#/$defs/none"}}}', "schema can't be used"),
        ('{"properties": {"query": {"$ref": "other.json"}}}', "refers to another file"),
        ('{"properties": {"query": {"pattern": "("}}}', "schema"),
        ('{"properties": ["query"]}', "schema"),
        ('{"properties": {"text": {}}}', "no place for the answer"),
    ],
)
def test_a_schema_that_is_none_is_refused_when_it_is_read(tmp_path: Path, schema: str, words: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(SCHEMA_OF_ONES_OWN.format(schema=schema))
    with pytest.raises(InputError, match=words) as told:
        find_prompt("query", path=path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ('{"properties": {"query": {"type": ["string", "null"]}}}', '{"query": "a"}', '{"query": 1}'),
        (
            '{"properties": {"query": {"$ref": "#/$defs/q"}}, "$defs": {"q": {"pattern": "^a+$"}}}',
            '{"query": "aa"}',
            '{"query": "b"}',
        ),
        (
            '{"properties": {"query": {"anyOf": [{"const": "x"}, {"minLength": 3}]}}}',
            '{"query": "x"}',
            '{"query": "y"}',
        ),
    ],
)
def test_every_keyword_of_a_schema_counts(tmp_path: Path, schema: str, good: str, bad: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(SCHEMA_OF_ONES_OWN.format(schema=schema))
    found = find_prompt("query", path=path).schema
    assert found is not None
    assert read(good, found) == (json.loads(good), None)
    assert "breaks the schema's" in (read(bad, found)[1] or "")
