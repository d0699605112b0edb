"""Models that think: told to or not to in each server's way, given room, and never a draft taken for an answer."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.llm.budget import worst_case
from hnhub.llm.journal import request_key
from hnhub.llm.open import open_model
from hnhub.llm.protocols import without_thoughts
from hnhub.llm.types import THINKING_ROOM
from llm_servers.scripted import Scripted

ANSWER = '{"negative": "final"}'


class Thinks(Scripted):
    """Shapes of vLLM (`reasoning_content`, then `reasoning`), SGLang and raw text; thinks unless it is told not to."""

    def __init__(self, shape: str, *, refuses: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape, self.refuses = shape, refuses

    async def _answer(self, body: dict[str, Any], writer: Any) -> bool:
        if refused := next((name for name in self.refuses if name in body), None):
            data = json.dumps({"error": {"message": f"Unrecognized request argument supplied: {refused}"}}).encode()
            writer.write(
                b"HTTP/1.1 400 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data)
            )
            return True
        told_off = body.get("chat_template_kwargs", {}).get("enable_thinking") is False or body.get(
            "reasoning_effort"
        ) in ("none", "minimal")
        thoughts = "" if told_off else 'maybe {"negative": "draft"} no.'
        cut = thoughts and body["max_tokens"] < 1000  # no room: the thoughts never end
        message: dict[str, Any] = {"role": "assistant", "content": None if cut else ANSWER}
        if self.shape == "text":
            message["content"] = (f"<think>{thoughts}" + ("" if cut else "</think>")) * bool(thoughts) + (
                "" if cut else ANSWER
            )
        elif self.shape == "orphan":
            message["content"] = (
                f"{thoughts}</think>{ANSWER}" if thoughts and not cut else f"<think>{thoughts}" if cut else ANSWER
            )
        elif thoughts:
            message[self.shape] = thoughts
        choice = {"message": message, "finish_reason": "length" if cut else "stop"}
        self.bodies.append(body)
        data = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(data) + data)
        return True


SHAPES = ["reasoning_content", "reasoning", "text", "orphan"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("thinking", ["on", "off"])
def test_told_to_think_or_not_the_answer_is_the_final_one(
    shape: str, thinking: Any, tmp_path: Path, ask_for: Any
) -> None:
    with Thinks(shape) as server, open_model([server.url], journal=tmp_path / "j", thinking=thinking) as model:
        answers = list(model.ask(ask_for(i) for i in range(5)))
        assert model.identity["thinking"] == thinking
    assert [answer.value for answer in answers] == [{"negative": "final"}] * 5
    sent = server.bodies[-1]
    assert sent["chat_template_kwargs"] == {"enable_thinking": thinking == "on"}
    assert sent["max_tokens"] == answers[0].request.max_tokens + (THINKING_ROOM if thinking == "on" else 0)
    assert json.loads(answers[0].provenance.sampling or "")["thinking"] == thinking


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_lost_in_thinking_names_the_option(shape: str, tmp_path: Path, ask_for: Any) -> None:
    with Thinks(shape) as server, open_model([server.url], journal=tmp_path / "j") as model:
        answers = list(model.ask(ask_for(i) for i in range(3)))
    assert [answer.value for answer in answers] == [None] * 3
    assert all("thinking" in str(answer.failure) and "--thinking off" in str(answer.failure) for answer in answers)


@pytest.mark.parametrize(
    ("refuses", "told"),
    [
        (("chat_template_kwargs",), {"reasoning_effort": "none"}),
        (("chat_template_kwargs", "reasoning_effort"), {}),
    ],
)
def test_a_server_that_refuses_one_way_is_told_another(
    refuses: tuple[str, ...], told: dict[str, str], tmp_path: Path, ask_for: Any
) -> None:
    with (
        Thinks("reasoning", refuses=refuses) as server,
        open_model([server.url], journal=tmp_path / "j", thinking="off", extra_body='{"max_tokens":2000}') as model,
    ):
        answers = list(model.ask(ask_for(i) for i in range(12)))
    assert [answer.value for answer in answers] == [{"negative": "final"}] * 12
    sent = {
        name: value for name, value in server.bodies[-1].items() if name in ("chat_template_kwargs", "reasoning_effort")
    }
    assert sent == told


def test_extra_members_go_out_and_null_takes_away(tmp_path: Path, ask_for: Any) -> None:
    extra = '{"max_completion_tokens":77,"max_tokens":null,"top_k":20}'
    with Scripted() as server, open_model([server.url], journal=tmp_path / "j", extra_body=extra) as model:
        (answer,) = model.ask([ask_for(1)])
        assert model.identity["extra_body"] == extra
    body = server.bodies[-1]
    assert (body["top_k"], body["max_completion_tokens"]) == (20, 77)
    assert "max_tokens" not in body
    assert json.loads(answer.provenance.sampling or "")["extra_body"]["top_k"] == 20


def test_what_is_set_is_part_of_the_key_and_what_is_not_is_not(ask_for: Any) -> None:
    from dataclasses import replace

    plain = ask_for(1)
    variants = [plain, replace(plain, thinking="on"), replace(plain, thinking="off"), replace(plain, extra_body="{}")]
    assert len({request_key(one, "m", None) for one in variants}) == 4
    # The key of a request as it was before there were modes of thinking, so that old journals keep their answers.
    assert "thinking" not in plain.sampling
    assert worst_case(variants[1])[1] == worst_case(plain)[1] + THINKING_ROOM


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('maybe {"query":"draft one"} no.\n</think>\n{"query":"final one"}', '\n{"query":"final one"}'),
        ("<think>a draft", ""),
        ("<think>a</think>b<think>c", ""),
        ("<think>a</think><think>b</think>c", "c"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_thoughts_are_no_answer(text: str, answer: str) -> None:
    assert without_thoughts(text) == answer


@given(st.lists(st.sampled_from(["<think>", "</think>", "draft", "final", "<thin", "k>"]), max_size=12))
def test_no_text_before_an_end_of_thinking_is_left(parts: list[str]) -> None:
    text = "".join(parts)
    answer = without_thoughts(text)
    assert text.endswith(answer)
    assert "think>" not in answer.replace("<think>", "") or "</think>" not in answer
    assert "<think>" not in answer
