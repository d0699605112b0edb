"""Chat templates, for the protocols that take a finished prompt: TGI's own and OpenAI's completions."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from hnhub.errors import InputError
from hnhub.llm.types import Message, Thinking

__all__ = ["ChatTemplate", "Render", "find_template", "renderer"]

ChatTemplate = tuple[str, str]
"""The Jinja text, and the token that ends a turn."""

Render = Callable[[tuple[Message, ...], Thinking], str]
"""Messages, and whether the template is told that the model thinks, to a prompt."""


def find_template(model: str, revision: str | None) -> ChatTemplate | None:
    """The template of a model on the Hub at a revision, or None if the Hub or the model has none."""
    import huggingface_hub

    def fetch(name: str) -> str | None:
        try:
            return Path(huggingface_hub.hf_hub_download(model, name, revision=revision)).read_text(encoding="utf-8")
        except Exception:  # noqa: BLE001 - not there, no network, no Hub id: hub 1 and 2 raise different errors
            return None

    settings: dict[str, Any] = json.loads(fetch("tokenizer_config.json") or "{}")
    text = fetch("chat_template.jinja") or settings.get("chat_template")
    if isinstance(text, list):  # several, by name
        text = {entry["name"]: entry["template"] for entry in text}.get("default")
    if not isinstance(text, str):
        return None
    end = settings.get("eos_token") or ""
    return text, end["content"] if isinstance(end, dict) else end


def renderer(template: ChatTemplate) -> Render:
    """A function that renders messages, ending where the answer begins. Raises InputError for a bad template.

    The token that begins a text is left out, since the server's tokenizer puts it there.
    """
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    # Some templates print today's date; a fixed one keeps a request the same from day to day.
    environment.globals["strftime_now"] = datetime(2024, 7, 26, tzinfo=UTC).strftime
    text, end = template
    try:
        compiled = environment.from_string(text)
    except jinja2.TemplateError as error:
        raise InputError(f"chat template: {error}", do="give another, or use --api openai") from error

    def render(messages: tuple[Message, ...], thinking: Thinking = "auto") -> str:
        told = {} if thinking == "auto" else {"enable_thinking": thinking == "on"}
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return compiled.render(messages=turns, add_generation_prompt=True, bos_token="", eos_token=end, **told)
        except jinja2.TemplateError as error:
            raise InputError(
                f"chat template: it does not take these messages ({error})", do="change the prompt, or use --api openai"
            ) from error

    return render
