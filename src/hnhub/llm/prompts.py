"""Prompts: TOML files, one per task and corpus family, versioned by the hash of their bytes.

A file `prompt_files/<task>.toml` (family `question`, the default) or `prompt_files/<task>.<family>.toml`, or one of the user's own, holds

    task = "query"              # query, query-judge, negative, negative-pos, graded, judge or judge-list
    max_tokens = 96             # of the answer, above what the schema's maxLength can need
    schema = '''{...}'''        # JSON schema of the answer; leave it out for free text
    [limits]                    # optional: a longer value is cut to so many characters (hnhub.text.shorten)
    passage = 2000
    [[messages]]                # the chat; `{{passage}}` is where a value goes
    role = "user"
    content = "..."

A placeholder that the task does not have is an error, and so is one of the task's that no message has. A query's prompt may
also have `{{second}}`: it is then asked from two passages of one document.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from hnhub.errors import InputError, UsageError
from hnhub.llm.types import Answer, Message, Request
from hnhub.stages import canonical_json
from hnhub.text.shorten import shorten

__all__ = ["DEFAULT_FAMILY", "STYLES", "Prompt", "Task", "families", "find_prompt", "read_prompt"]

Task = Literal["query", "query-judge", "negative", "negative-pos", "graded", "judge", "judge-list"]

DEFAULT_FAMILY = "question"

STYLES = ("keyword", "how-to", "comparison", "multi-hop", "reasoning")
"""Families of query prompts that no corpus has by itself: they are asked for, as every other family may be (docs/queries.md)."""

_VALUES: Mapping[str, tuple[str, ...]] = {
    "query": ("passage",),
    "query-judge": ("query", "passage"),
    "negative": ("query",),
    "negative-pos": ("query", "positive"),
    "graded": ("query", "positive"),
    "judge": ("query", "passage"),
    "judge-list": ("query", "positive", "passages"),
}
_OPTIONAL: Mapping[str, tuple[str, ...]] = {"query": ("second",)}
# The member of a schema's answer that holds what the task is after; `negatives` is a list of them.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "query": ("query",),
    "query-judge": ("answerable", "alone"),
    "negative": ("negative", "negatives"),
    "negative-pos": ("negative", "negatives"),
    "graded": ("relevance_3", "relevance_2", "relevance_1", "relevance_0"),
    "judge": ("relevance",),
    "judge-list": ("relevance",),
}
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_KEYS = frozenset({"task", "max_tokens", "schema", "limits", "messages"})
_ROLES = frozenset({"system", "user", "assistant"})


@dataclass(frozen=True)
class Prompt:
    """A prompt file, checked."""

    task: Task
    family: str
    sha256: str
    """Of the file's bytes (hex)."""
    schema: str | None
    """JSON schema of the answer as canonical JSON; None for free text."""
    text: str
    """The file as it stands."""
    max_tokens: int
    turns: tuple[Message, ...]
    """The messages with their placeholders."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Characters that a value may have before it is cut."""

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """The values that its messages take."""
        used = {name for turn in self.turns for name in _PLACEHOLDER.findall(turn.content)}
        return (*_VALUES[self.task], *(name for name in _OPTIONAL.get(self.task, ()) if name in used))

    def judging(self, request_id: str, *, method: str, seed: int, **values: str) -> Request:
        """What a judge is asked, without chance: temperature 0. Raises as `messages`."""
        return Request(
            id=request_id,
            method=method,
            messages=self.messages(**values),
            schema=self.schema,
            prompt_sha256=self.sha256,
            max_tokens=self.max_tokens,
            temperature=0.0,
            top_p=1.0,
            seed=seed,
        )

    def messages(self, **values: str) -> tuple[Message, ...]:
        """The chat with `values` put in, each cut to its limit. Raises UsageError unless they are exactly the task's."""
        if set(values) != set(self.placeholders):
            wanted = ", ".join(self.placeholders)
            raise UsageError(
                f"prompt {self.task}: got values for {', '.join(sorted(values)) or 'nothing'}",
                do=f"give exactly {wanted}",
            )
        cut = {
            name: shorten(value, self.limits[name]) if name in self.limits else value for name, value in values.items()
        }
        # A turn without a placeholder stays the same object, which makes its hash and comparison cheap.
        return tuple(
            Message(turn.role, _PLACEHOLDER.sub(lambda match: cut[match[1]], turn.content))
            if "{{" in turn.content
            else turn
            for turn in self.turns
        )

    def texts(self, answer: Answer) -> tuple[str, ...]:
        """The query, the negative or the negatives in an answer; the whole text where the prompt has no schema.

        Empty on failure. White space is folded, empty texts are left out.
        """
        if answer.text is None:
            return ()
        found: list[Any] = [answer.text]
        if self.schema is not None:
            member = next((name for name in _MEMBERS[self.task] if name in answer.value), None)
            value = answer.value[member] if member else None
            found = value if isinstance(value, list) else [value]
        return tuple(text for item in found if item is not None and (text := " ".join(str(item).split())))

    def leveled(self, answer: Answer) -> tuple[tuple[str, int | None], ...]:
        """The same texts, each with the level of relevance that it was asked for; None where the task knows no levels."""
        if self.task != "graded":
            return tuple((text, None) for text in self.texts(answer))
        return tuple(
            (text, int(name[-1]))
            for name in _MEMBERS["graded"]
            if answer.text is not None and (text := " ".join(str(answer.value.get(name) or "").split()))
        )


def find_prompt(task: str, family: str | None = None, path: Path | str | None = None) -> Prompt:
    """The prompt of a task: the user's file if `path` is given, else the family's variant, else the default one.

    Raises UsageError for an unknown task, InputError (file and member named) for a bad file.
    """
    if task not in _VALUES:
        raise UsageError(f"prompt task {task!r} is not known", do=f"take one of {', '.join(_VALUES)}")
    if path is not None:
        try:
            return _parse(Path(path).read_bytes(), str(path), task, family or DEFAULT_FAMILY)
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})", do="name a prompt file") from error
    if family not in families(task):
        family = DEFAULT_FAMILY
    name = f"{task}.toml" if family == DEFAULT_FAMILY else f"{task}.{family}.toml"
    return _parse(_files().joinpath(name).read_bytes(), f"hnhub/llm/prompt_files/{name}", task, family)


def read_prompt(task: str, text: str, where: str, family: str | None = None) -> Prompt:
    """The prompt in a prompt file's text; `where` names it in errors. Raises as `find_prompt`."""
    if task not in _VALUES:
        raise UsageError(f"prompt task {task!r} is not known", do=f"take one of {', '.join(_VALUES)}")
    return _parse(text.encode(), where, task, family or DEFAULT_FAMILY)


def families(task: str) -> tuple[str, ...]:
    """The corpus families that have a prompt of their own for this task, the default one first."""
    names = sorted(file.name for file in _files().iterdir())
    own = [name.split(".")[1] for name in names if name.startswith(f"{task}.") and name.count(".") == 2]
    return (DEFAULT_FAMILY, *own)


def _files() -> Any:
    return resources.files("hnhub.llm") / "prompt_files"


def _parse(data: bytes, where: str, task: str, family: str) -> Prompt:
    def bad(what: str, do: str) -> InputError:
        return InputError(f"{where}: {what}", do=do)

    try:
        text = data.decode()
        table = tomllib.loads(text)
    except ValueError as error:
        raise bad(f"is not TOML ({error})", "mend it") from error
    if unknown := sorted(set(table) - _KEYS):
        raise bad(f"unknown member {unknown[0]!r}", f"use only {', '.join(sorted(_KEYS))}")
    if table.get("task") != task:
        raise bad(f"task is {table.get('task')!r}", f'write task = "{task}", or give another file')
    max_tokens = table.get("max_tokens")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        raise bad("max_tokens is not a positive number", "say how many tokens an answer may have")
    turns = table.get("messages")
    if not isinstance(turns, list) or not turns or not all(_is_message(turn) for turn in turns):
        raise bad("messages are not [[messages]] with a role (system, user, assistant) and a content", "mend them")
    wanted = _VALUES[task]
    known = (*wanted, *_OPTIONAL.get(task, ()))
    used = {name for turn in turns for name in _PLACEHOLDER.findall(turn["content"])}
    if unknown := sorted(used - set(known)):
        raise bad(f"unknown placeholder {{{{{unknown[0]}}}}}", f"task {task} has {', '.join(known)}")
    if missing := [name for name in wanted if name not in used]:
        raise bad(f"no message has the placeholder {{{{{missing[0]}}}}}", "put it where the value belongs")
    limits = table.get("limits", {})
    if not isinstance(limits, dict) or not all(
        name in known and isinstance(limit, int) and limit > 0 for name, limit in limits.items()
    ):
        raise bad("limits are not positive numbers of characters for the task's placeholders", "mend them")
    schema = _schema(table.get("schema"), task, bad)
    messages = tuple(Message(turn["role"], turn["content"].strip()) for turn in turns)
    digest = hashlib.sha256(data).hexdigest()
    return Prompt(task, family, digest, schema, text, max_tokens, messages, limits)  # type: ignore[arg-type]


def _check_schema(schema: Any, bad: Any) -> None:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = f" at {error.json_path[2:]}" if error.json_path != "$" else ""
        raise bad(f"schema is no JSON schema{place} ({' '.join(error.message.split())[:120]})", "mend it") from error
    if any(not one.startswith("#") for one in _references(schema)):
        raise bad("schema refers to another file by $ref", "put what it refers to below $defs")
    try:
        kind(schema).is_valid(dict.fromkeys(schema["properties"], ""))
    except Exception as error:  # the library's own kinds, and a pattern that is none
        raise bad(
            f"schema can't be used ({type(error).__name__}: {error})"[:200], "mend its $ref or pattern"
        ) from error


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = list(schema.values())
    for item in schema if isinstance(schema, list) else ():
        yield from _references(item)


def _is_message(turn: object) -> bool:
    return (
        isinstance(turn, dict)
        and set(turn) == {"role", "content"}
        and turn["role"] in _ROLES
        and isinstance(turn["content"], str)
    )


def _schema(source: object, task: str, bad: Any) -> str | None:
    if source is None:
        return None
    try:
        schema = json.loads(source) if isinstance(source, str) else {}
        members = schema["properties"]
        found = [name for name in _MEMBERS[task] if name in members]
    except (ValueError, TypeError, KeyError) as error:
        raise bad("schema is not the JSON schema of an object with properties, as text", "mend it") from error
    _check_schema(schema, bad)
    if not found:
        raise bad("schema has no place for the answer", f"give it a property {' or '.join(_MEMBERS[task])}")
    return canonical_json(schema)
