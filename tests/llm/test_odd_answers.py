"""Whatever a server answers: an answer, a counted failure of that one request, or one error, within seconds."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnhub.errors import HnhubError, InputError
from hnhub.llm.journal import Journal, export, stats
from hnhub.llm.open import open_model
from hnhub.llm.wire_json import clean, decode, token_count

TEMPLATE = "{% for m in messages %}{{ m.content if loop.last }}{% endfor %}"
GOOD_TEXT = '{"negative":"no answer at all"}'


class Raw:
    """A server that answers a request with whatever bytes are set, and says of itself what it is."""

    def __init__(self, *, tgi: bool) -> None:
        self.tgi = tgi
        self.head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        self.content = b""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(asyncio.sleep(0.05))  # sockets close in the loop's next rounds
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            size = next((int(h.split(":")[1]) for h in rest if h.lower().startswith("content-length")), 0)
            await reader.readexactly(size)
            path = line.split()[1]
            if path in ("/generate", "/v1/chat/completions"):
                if size <= 2:  # a question whether there is chat
                    writer.write(b"HTTP/1.1 400 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                else:
                    writer.write(self.head + f"Content-Length: {len(self.content)}\r\n".encode())
                    writer.write(b"Connection: close\r\n\r\n" + self.content)
            else:
                told: Any = {"data": [{"id": "m", "owned_by": "tests"}]} if not self.tgi else {}
                if self.tgi and path == "/info":
                    told = {"model_id": "m", "router": "r", "version": "3"}
                data = json.dumps(told).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                    + f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture(scope="module", params=[False, True], ids=["openai", "tgi"])
def raw(request: pytest.FixtureRequest) -> Iterator[Raw]:
    with Raw(tgi=request.param) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hnhub.llm.dispatch._LONGEST_RETRY", 0.01)
        patch.setattr("hnhub.llm.dispatch._LONGEST_WAIT", 0.01)
        yield


def shape(tgi: bool, **parts: Any) -> Any:
    """An answer as the protocol has it, with some parts in another's place."""
    values = {"text": GOOD_TEXT, "finish": "stop", "prompt": 3, "completion": 4, **parts}
    if tgi:
        details = {"finish_reason": values["finish"], "generated_tokens": values["completion"]}
        return {"generated_text": values["text"], "details": values.get("details", details)}
    choice = {"message": values.get("message", {"content": values["text"]}), "finish_reason": values["finish"]}
    usage = {"prompt_tokens": values["prompt"], "completion_tokens": values["completion"]}
    return {"choices": values.get("choices", [choice]), "usage": values.get("usage", usage)}


def assert_opened(error: HnhubError) -> None:
    """The server was found: what went wrong is the answer."""
    assert "no endpoint answers" not in str(error)


def outcome(server: Raw, journal: Path, ask_for: Any, number: int) -> str:
    """Ask once, then again from the journal: both end the same way, and the journal can be read."""
    started = time.monotonic()
    found = []
    for _ in range(2):
        try:
            template = TEMPLATE if server.tgi else None
            with open_model([server.url], journal=journal, deadline=2, patience=1, chat_template=template) as model:
                answer = next(iter(model.ask([ask_for(number)])))
            found.append("failed" if answer.failure else "answered")
            pl.DataFrame({"text": [answer.text], "value": [str(answer.value)]}).write_parquet(
                journal.with_suffix(".pq")
            )
            json.dumps(answer.value).encode()
        except HnhubError as error:
            assert_opened(error)
            found.append("bug" if "bug" in str(error) else "error")
    assert "bug" not in found
    assert list(export(journal)) is not None
    stats(journal)
    assert time.monotonic() - started < 10
    assert found[0] == found[1] or "error" in found
    return found[0]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud83d", "a\0b", 10**30]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
numbers = iter(range(10**9))


@given(st.binary(max_size=200) | ODD.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_any_body(raw: Raw, ask_for: Any, tmp_path: Path, content: bytes) -> None:
    raw.content = content
    outcome(raw, tmp_path / "j.sqlite", ask_for, next(numbers))


@given(
    st.sampled_from(["text", "finish", "prompt", "completion", "message", "choices", "usage", "details"]),
    ODD,
)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_value_in_any_place(raw: Raw, ask_for: Any, tmp_path: Path, part: str, value: Any) -> None:
    raw.content = json.dumps(shape(raw.tgi, **{part: value})).encode()
    outcome(raw, tmp_path / "j.sqlite", ask_for, next(numbers))


DEEP = '{"negative":' + "[" * 2000
TEXTS = {
    "lone surrogate": ("\ud83d" + GOOD_TEXT, "answered"),
    "escaped lone surrogate": ('{"negative":"a \\ud83d b"}', "answered"),
    "NUL": ('{"negative":"a \\u0000 b"}', "answered"),
    "nested": (DEEP, "failed"),
    "nested and closed": (DEEP + "]" * 2000 + "}", "failed"),
    "huge number": ('{"negative":' + "9" * 6000 + "}", "failed"),
    "all kinds": ('\ud83d\0{"negative":"\\udc00\\u0000"}', "answered"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_odd_text_of_a_model(raw: Raw, ask_for: Any, tmp_path: Path, kind: str) -> None:
    text, expected = TEXTS[kind]
    raw.content = json.dumps(shape(raw.tgi, text=text)).encode()
    assert outcome(raw, tmp_path / "j.sqlite", ask_for, 1) == expected


def test_body_nested_too_deep_is_a_failure(raw: Raw, ask_for: Any, tmp_path: Path) -> None:
    raw.content = b"[" * 100_000
    assert outcome(raw, tmp_path / "j.sqlite", ask_for, 1) in ("failed", "error")


def test_odd_counts_are_no_counts(raw: Raw, ask_for: Any, tmp_path: Path) -> None:
    for number, count in enumerate((10**30, -1, "7x", 1.5, True, None, [3])):
        raw.content = json.dumps(shape(raw.tgi, prompt=count, completion=count)).encode()
        assert outcome(raw, tmp_path / "j.sqlite", ask_for, number) == "answered"


def test_a_bug_in_the_writer_reaches_who_asks(raw: Raw, ask_for: Any, tmp_path: Path, monkeypatch: Any) -> None:
    raw.content = json.dumps(shape(raw.tgi)).encode()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Journal, "_write", broken)
    template = TEMPLATE if raw.tgi else None
    with (
        open_model([raw.url], journal=tmp_path / "j.sqlite", chat_template=template) as model,
        pytest.raises(InputError, match="writer ended in a bug"),
    ):
        list(model.ask([ask_for(1)]))


@pytest.mark.parametrize("place", ["hnhub.llm.structured.read", "hnhub.llm.protocols.read_reply"])
def test_a_bug_in_reading_reaches_who_asks(
    raw: Raw, ask_for: Any, tmp_path: Path, monkeypatch: Any, place: str
) -> None:
    raw.content = json.dumps(shape(raw.tgi)).encode()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(place, broken)
    template = TEMPLATE if raw.tgi else None
    with (
        open_model([raw.url], journal=tmp_path / "j.sqlite", chat_template=template) as model,
        pytest.raises((ZeroDivisionError, HnhubError), match="planted"),
    ):
        list(model.ask([ask_for(1)]))


def test_poison_that_an_earlier_version_stored_is_read(raw: Raw, ask_for: Any, tmp_path: Path) -> None:
    raw.content = json.dumps(shape(raw.tgi)).encode()
    path = tmp_path / "j.sqlite"
    assert outcome(raw, path, ask_for, 1) == "answered"
    for poison in (DEEP, '{"negative":"\\ud83d"}'):
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE answers SET text = ?", (poison,))
        outcome(raw, path, ask_for, 1)


@given(st.text() | st.text(alphabet="\ud83d\ude00\0a"))
def test_clean_text_can_be_stored(text: str) -> None:
    found = clean(text)
    found.encode()
    assert "\0" not in found
    assert clean(found) == found
    if text.isascii() and "\0" not in text:
        assert found == text


def test_pairs_become_their_letter() -> None:
    assert clean("\ud83d\ude00 \ud83d") == "😀 \ufffd"
    assert decode(b'{"a\\ud83d": ["\\ud83d\\ude00"]}') == {"a\ufffd": ["😀"]}
    with pytest.raises(ValueError, match="too deep"):
        decode("[" * 100_000)


@given(ODD)
def test_token_counts(value: Any) -> None:
    found = token_count(value)
    assert found is None or 0 <= found < 2**31
