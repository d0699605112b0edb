import http.server
import json
import sqlite3
import threading
import time
from email.utils import formatdate
from urllib.parse import urlsplit

import pytest

from hnhub.errors import InputError, UsageError
from hnhub.llm import templates
from hnhub.llm.endpoints import address
from hnhub.llm.open import open_model
from hnhub.llm.protocols import Fault, body, fault_of_status, read_reply
from hnhub.llm.transport import Door, retry_after
from hnhub.llm.types import Message
from llm_servers.scripted import Scripted

MESSAGES = (Message("system", "Be short."), Message("user", "Hi"))
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("given", "base", "credentials"),
    [
        ("http://h:80", "http://h:80", None),
        ("http://h:80/v1/", "http://h:80", None),
        ("https://h/a/b/v1", "https://h/a/b", None),
        ("https://me:secret@h/v1", "https://h", "me:secret"),
        ("hf:providers", "https://router.huggingface.co", None),
    ],
)
def test_address(given, base, credentials):
    assert address(given) == (base, credentials)


@pytest.mark.parametrize(
    "given",
    ["x", "ftp://h", "http://", "http://me:pass@h:port", "http://me:pass@h:99999", "http://[::1", "http://a..b"],
)
def test_what_is_no_address_is_named_without_its_password(given):
    with pytest.raises(UsageError, match="is no address") as caught:
        address(given)
    assert "pass" not in str(caught.value)


def test_user_and_query_of_an_address():
    assert address("http://u:p%40ss@host/v1?api-version=1&key=x") == ("http://host?api-version=1&key=x", "u:p@ss")
    door = Door.to(None, "http://host/base?api-version=1")
    assert (door.url, door.query) == ("http://host/base", "?api-version=1")
    assert "api-version" not in repr(door)


@pytest.mark.parametrize("api", ["openai", "auto"])
def test_a_gateway_that_forbids_unknown_paths_is_no_obstacle(api, tmp_path, ask_for):
    with Scripted(forbids=True) as server:
        url = f"{server.url}?api-version=7"
        with open_model([url], journal=tmp_path / "j.sqlite", api=api) as model:
            assert next(iter(model.ask([ask_for(1)]))).failure is None
        assert server.queries == {"api-version=7"}


def test_secrets_go_only_where_they_belong_and_nowhere_else(monkeypatch, tmp_path, ask_for, caplog):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HNHUB_API_KEY", "key_secret")
    session = None
    for url in ("https://router.huggingface.co", "https://x.us-east-1.aws.endpoints.huggingface.cloud"):
        assert Door.to(session, url).headers["authorization"] == "Bearer hf_secret"
    for url in ("https://api.example.org", "https://huggingface.co.example.org", "http://evilhuggingface.co"):
        assert Door.to(session, url).headers["authorization"] == "Bearer key_secret"
    assert Door.to(session, "https://h", "me:pw").headers["authorization"].startswith("Basic ")
    assert "secret" not in repr(Door.to(session, "https://h"))
    with caplog.at_level("DEBUG"), Scripted(fault=lambda k, t: "500" if t == 0 else None) as server:
        url = server.url.replace("://", "://user:pass_secret@")
        with open_model([url], journal=tmp_path / "j.sqlite") as model:
            assert [answer.failure for answer in model.ask([ask_for(1)])] == [None]
    assert "secret" not in caplog.text
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_proxy_of_the_environment_is_used(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert Door.to(None, "https://outside.example.org").origin.proxy == "http://proxy:3128"
    assert Door.to(None, "https://inside.example.org").origin.proxy is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), (None, None), ("Wed, 99 Foo", None)]
)
def test_retry_after(value, seconds):
    assert retry_after({} if value is None else {"retry-after": value}) == seconds


def test_retry_after_as_a_date():
    assert retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("status", "data", "kind", "reason"),
    [
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "refused", "HTTP 429: Model is overloaded"),
        (503, {"error": {"message": "Loading model"}}, "refused", "HTTP 503: Loading model"),
        (424, {"error": "Request failed", "error_type": "generation"}, "broken", "HTTP 424: Request failed"),
        (500, "oops", "broken", "HTTP 500: oops"),
        (
            400,
            {"error": {"message": "too long", "type": "exceed_context_size_error"}},
            "rejected",
            "HTTP 400: too long",
        ),
        (422, {"detail": "bad"}, "rejected", "HTTP 422: bad"),
        (401, {"error": "who?"}, "fatal", "HTTP 401: who?"),
        (402, {"error": "pay"}, "fatal", "HTTP 402: pay"),
        (302, "", "fatal", "HTTP 302"),
    ],
)
def test_statuses(status, data, kind, reason):
    fault = fault_of_status(status, (data if isinstance(data, str) else json.dumps(data)).encode(), None)
    assert (fault.kind, fault.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("api", "data", "lacking"),
    [
        ("openai", b'{"id": 1}', "KeyError('choices')"),
        ("openai-completions", b'{"choices": []}', "IndexError('list index out of range')"),
        ("tgi", b'{"generated_text": 1}', "TypeError('the text is not a string')"),
    ],
)
def test_an_answer_without_its_parts_is_useless_and_says_all_in_the_part_that_is_published(api, data, lacking):
    with pytest.raises(Fault) as caught:
        read_reply(api, "application/json", {}, data)
    assert caught.value.kind == "useless"
    assert caught.value.reason.partition(": ")[0] == f"an answer without its parts ({lacking})"


def test_bodies(ask_for):
    request = ask_for(3)
    chat = body("openai", request, "m", None, structured=True)
    assert chat["response_format"]["json_schema"]["schema"] == json.loads(request.schema)
    assert "response_format" not in body("openai", request, "m", None, structured=False)
    text = body("openai-completions", request, "m", lambda messages, thinking: "P", structured=True)
    assert text["prompt"] == "P"
    tgi = body("tgi", request, "m", lambda messages, thinking: "P", structured=True)
    assert tgi["parameters"]["grammar"] == {"type": "json", "value": json.loads(request.schema)}
    assert tgi["parameters"]["do_sample"] is True
    greedy = body("tgi", ask_for(3, temperature=0.0), "m", lambda messages, thinking: "P", structured=True)[
        "parameters"
    ]
    assert not {"temperature", "top_p", "do_sample"} & set(greedy)


def test_different_models_are_refused_and_one_can_be_named(tmp_path):
    class Other(Scripted):
        def _about(self, path, writer):
            from llm_servers import scripted

            return scripted._send(writer, 200, {"data": [{"id": "other"}, {"id": "scripted"}]})

    with Scripted() as one, Other() as two:
        urls = [one.url, two.url]
        with pytest.raises(UsageError, match="serve different models"):
            open_model(urls, api="openai", journal=tmp_path / "j.sqlite").__enter__()
        with open_model(urls, api="openai", model="scripted", journal=tmp_path / "j.sqlite") as model:
            assert model.identity["model"] == "scripted"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("/srv/ann/weights/tiny.Q4_1.gguf", "tiny.Q4_1.gguf"),
        ("weights/tiny.gguf", "tiny.gguf"),
        ("/data/Qwen3-8B/", "Qwen3-8B"),
        ("C:\\Users\\ann\\tiny.gguf", "tiny.gguf"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("llama3.1:8b", "llama3.1:8b"),
    ],
)
def test_a_path_of_the_servers_machine_is_sent_to_it_and_told_nobody_else(tmp_path, ask_for, told, name):
    journal = tmp_path / "j.sqlite"
    for named, seed in ((name, 1), (told, 2)):
        with (
            Scripted(models=["other", told]) as server,
            open_model([server.url], model=named, journal=journal) as model,
        ):
            assert model.identity["model"] == name
            (answer,) = model.ask([ask_for(1, seed=seed)])
            assert answer.provenance.model == name
            assert {body["model"] for body in server.bodies} == {told}
    kept = sqlite3.connect(journal).execute("SELECT DISTINCT model FROM answers").fetchall()
    assert kept == [(name,)]


def test_the_embedded_model_is_not_taken_for_another(tmp_path):
    with pytest.raises(UsageError, match="the embedded model is"):
        open_model(["local"], model="org/other", journal=tmp_path / "j.sqlite").__enter__()


def test_template_renders_as_the_model_was_trained():
    rendered = templates.renderer((CHATML, "<|im_end|>"))(MESSAGES)
    assert (
        rendered == "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    with pytest.raises(InputError, match="no system"):
        templates.renderer(("{{ raise_exception('no system') }}", ""))(MESSAGES)
    with pytest.raises(InputError, match="chat template"):
        templates.renderer(("{% for %}", ""))
    with pytest.raises(InputError, match="does not take"):
        templates.renderer(("{{ messages.__class__.__mro__[1].__subclasses__() }}", ""))(MESSAGES)


def test_template_comes_from_the_hub_at_the_revision(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []
    files = {"tokenizer_config.json": json.dumps({"chat_template": CHATML, "eos_token": {"content": "<|im_end|>"}})}

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = urlsplit(self.path).path
            asked.append(path)
            data = files.get(path.rpartition("/")[2], "").encode()
            self.send_response(200 if data else 404)
            for name, value in {"Content-Length": len(data), "ETag": '"abc"', "X-Repo-Commit": "a" * 40}.items():
                self.send_header(name, str(value))
            if not data:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    real = huggingface_hub.hf_hub_download
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *a, **k: real(*a, **k, endpoint=endpoint, cache_dir=tmp_path)
    )
    assert templates.find_template("org/model", "a" * 40) == (CHATML, "<|im_end|>")
    assert any(path == f"/org/model/resolve/{'a' * 40}/tokenizer_config.json" for path in asked)
    files.clear()
    assert templates.find_template("org/other", "b" * 40) is None
    server.shutdown()
    server.server_close()
