"""The real small model, over real sockets: chat, completions, TGI's protocol, structured output, seeds, concurrency."""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from hnhub.llm import embedded, journal
from hnhub.llm.open import open_model
from hnhub.llm.types import Message, Request
from llm_servers.tgi_adapter import TgiAdapter

pytestmark = pytest.mark.usefixtures("local_home")

SCHEMA = '{"additionalProperties":false,"properties":{"query":{"maxLength":60,"type":"string"}},"required":["query"],"type":"object"}'


def question(number: int, **changes) -> Request:
    passages = [
        "Limescale forms in a kettle when hard water is heated.",
        "Common swifts stay in the air for ten months.",
        "Olive growers expect the smallest harvest in two decades.",
        "The footbridge was closed after cracks were found.",
    ]
    messages = (
        Message("system", "You write one short question about the passage, as JSON."),
        Message("user", "Passage: Bees dance to tell where flowers are."),
        Message("assistant", '{"query": "how do bees tell each other where flowers are"}'),
        Message("user", f"Passage: {passages[number % 4]}"),
    )
    request = Request(f"p{number}", "queries", messages, SCHEMA, "1" * 64, 40, 0.6, 0.95, number)
    return replace(request, **changes)


@pytest.fixture(scope="module")
def server(local_home):
    (one,) = embedded.start(1)
    yield one
    one.stop()


def test_embedded_answers_fit_the_schema_and_do_not_depend_on_order(tmp_path):
    requests = [question(i) for i in range(8)]
    with open_model(["local"], journal=tmp_path / "a.sqlite") as model:
        first = list(model.ask(requests))
        identity, totals = model.identity, model.totals["queries"]
    with open_model(["local"], journal=tmp_path / "b.sqlite") as model:
        second = list(model.ask(reversed(requests)))
    assert [answer.failure for answer in first] == [None] * 8
    assert all(set(answer.value) == {"query"} and len(answer.value["query"]) <= 60 for answer in first)
    assert {answer.request.id: answer.text for answer in first} == {answer.request.id: answer.text for answer in second}
    assert len({answer.text for answer in first}) > 4, "passages and seeds change the answer"
    assert totals["parse_failures"] == 0
    assert totals["prompt_tokens"] > 8 * 40
    assert first[3].provenance.seed == 3
    assert first[3].provenance.model == identity["model"] == embedded.MODEL
    assert "Q4_0" in str(identity["revision"])
    assert "llama.cpp" in str(first[3].provenance.server)
    assert json.loads(str(first[3].provenance.sampling)) == {"max_tokens": 40, "temperature": 0.6, "top_p": 0.95}
    # Nothing is started, and nothing sent, for what is in the journal.
    with open_model(["local"], journal=tmp_path / "a.sqlite") as model:
        again = list(model.ask(requests))
        assert model.totals["queries"]["sent"] == 0
        assert not model._dispatcher.endpoints
    assert [answer.text for answer in again] == [answer.text for answer in first]


def test_the_same_model_over_three_protocols(server, tmp_path):
    """Chat (the server's template), completions and TGI (ours): the same prompt, so the same greedy text."""
    requests = [question(i, temperature=0.0, schema=None) for i in range(2)]
    texts = {}
    with urllib.request.urlopen(f"{server.url}/props") as response:
        template = json.load(response)["chat_template"]
    with TgiAdapter(server.url, model=embedded.MODEL) as tgi:
        places = {"auto": server.url, "openai-completions": server.url, "tgi": tgi.url}
        for api, url in places.items():
            given = template if api == "tgi" else None
            with open_model([url], api=api, journal=tmp_path / f"{api}.sqlite", chat_template=given) as model:
                answers = list(model.ask(requests))
            assert [answer.failure for answer in answers] == [None, None]
            texts[api] = [answer.text for answer in answers]
            assert all(answer.prompt_tokens > 40 and answer.completion_tokens > 0 for answer in answers)
        assert tgi.generated == 2
        sha, digest = answers[0].provenance.revision.split(" chat-template-")
        assert sha == "12fd25f77366fa6b3b4b768ec3050bf629380bac"
        assert digest == hashlib.sha256(template.encode()).hexdigest()[:16]
        assert answers[0].provenance.server == "TGI 3.3.6-dev0"
    assert texts["auto"] == texts["openai-completions"] == texts["tgi"]


def test_structured_output_and_refusals_over_tgi(server, tmp_path):
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    with TgiAdapter(server.url, model=embedded.MODEL, max_concurrent_requests=1) as tgi:
        with open_model([tgi.url], journal=tmp_path / "j.sqlite", chat_template=template) as model:
            asked = [question(0), question(1), replace(question(2), messages=(Message("user", "word " * 3000),))]
            answers = list(model.ask(asked))
        assert model.identity["server"] == "TGI 3.3.6-dev0"
    assert [answer.failure is None for answer in answers] == [True, True, False]
    assert all(set(answer.value) == {"query"} for answer in answers[:2])
    assert answers[2].failure == "HTTP 422"
    assert "max_new_tokens` must be <= 2048" in journal.stats(tmp_path / "j.sqlite")["failures"][0]["reason"]


def test_children_that_are_killed_are_started_anew(tmp_path):
    requests = [question(i) for i in range(8)]
    with open_model(["local"], journal=tmp_path / "a.sqlite") as model:
        sound = [answer.text for answer in model.ask(requests)]
    with open_model(["local"], journal=tmp_path / "b.sqlite") as model:
        answers = model.ask(requests)
        texts = [next(answers).text]
        for endpoint in model._dispatcher.endpoints:
            endpoint.prepare._server.process.kill()
        texts += [answer.text for answer in answers]
        assert model.totals["queries"]["failures"] == {}
    assert texts == sound


def test_the_child_ends_when_its_parent_is_killed(local_home):
    code = (
        "import time\nfrom hnhub.llm import embedded\n"
        "one = embedded.start(1)[0]\nprint(one.process.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(200):
        try:
            os.kill(child, 0)
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    raise AssertionError("the child is still there")


THINKS = """
import os, sys, xllamacpp
from hnhub.llm.embedded import parameters
params = parameters(sys.argv[1])
params.use_jinja, params.chat_template = True, sys.argv[2]
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""
THINKING_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}"
)


def test_a_template_that_thinks_is_told_not_to(tmp_path):
    """llama.cpp's own server: told to, the small model thinks without an end, and that is no answer; told not to, it answers."""
    child = subprocess.Popen(
        [sys.executable, "-c", THINKS, str(embedded.weights_path()), THINKING_TEMPLATE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        url = child.stdout.readline().strip()
        found = {}
        for thinking, schema in (("off", SCHEMA), ("auto", None)):
            asked = [question(i, temperature=0.0, schema=schema) for i in range(3)]
            journal_ = tmp_path / f"{thinking}.sqlite"
            with open_model([url], api="openai", model=embedded.MODEL, journal=journal_, thinking=thinking) as model:
                found[thinking] = list(model.ask(asked))
    finally:
        child.kill()
        child.communicate()
    assert [answer.failure for answer in found["off"]] == [None] * 3
    assert all(set(answer.value) == {"query"} for answer in found["off"])
    for answer in found["auto"]:
        assert answer.failure is None or "--thinking off" in answer.failure
        assert answer.text is None or "<think>" not in answer.text
