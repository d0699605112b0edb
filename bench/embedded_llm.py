"""The embedded default: tokens/s at 1 and 8 requests at once, and several negatives in one request or in several.

python bench/embedded_llm.py [--queries 30] [--corpus DIR]     DIR is a BEIR folder, for its queries
"""

import argparse
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hnhub.llm import embedded
from hnhub.llm.client import Model, open_model
from hnhub.llm.prompts import Prompt, find_prompt
from hnhub.llm.types import Answer, Message, Request
from hnhub.stages import canonical_json

LIST = {
    "type": "object",
    "properties": {
        "negatives": {"type": "array", "minItems": 5, "maxItems": 5, "items": {"type": "string", "maxLength": 600}}
    },
    "required": ["negatives"],
    "additionalProperties": False,
}


def request(prompt: Prompt, query: str, seed: int) -> Request:
    messages = prompt.messages(query=query)
    return Request(f"{seed}", "llm", messages, prompt.schema, prompt.sha256, prompt.max_tokens, 0.6, 0.95, seed)


def five_in_one(prompt: Prompt, query: str) -> Request:
    """The same examples, told to give five; each example's one negative is given as a list of one."""
    turns = list(prompt.messages(query=query))
    turns[0] = Message("system", turns[0].content.replace("write one passage", "write five different passages, each"))
    for i, turn in enumerate(turns):
        if turn.role == "assistant":
            turns[i] = Message("assistant", json.dumps({"negatives": [json.loads(turn.content)["negative"]]}))
    one = request(prompt, query, 0)
    return replace(one, messages=tuple(turns), schema=canonical_json(LIST), max_tokens=5 * prompt.max_tokens)


def timed(model: Model, requests: Sequence[Request], *, at_once: bool) -> tuple[float, list[Answer]]:
    begin = time.perf_counter()
    answers = list(model.ask(requests)) if at_once else [next(iter(model.ask([one]))) for one in requests]
    return time.perf_counter() - begin, answers


def distinct(texts: Sequence[str]) -> float:
    """1 - the mean Jaccard overlap of words between two texts: 1 is nothing in common."""
    pairs = list(itertools.combinations([set(text.lower().split()) for text in texts], 2))
    return 1 - sum(len(a & b) / max(1, len(a | b)) for a, b in pairs) / max(1, len(pairs))


def texts_of(answers: Sequence[Answer]) -> list[str]:
    found: list[Any] = []
    for answer in answers:
        if answer.value is not None:
            found += answer.value["negatives"] if "negatives" in answer.value else [answer.value["negative"]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--corpus", type=Path, required=True)
    given = parser.parse_args()
    with (given.corpus / "queries.jsonl").open() as file:
        queries = [json.loads(line)["text"] for line in itertools.islice(file, given.queries)]
    prompt = find_prompt("negative")
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {embedded.server_version()}")
    with tempfile.TemporaryDirectory() as folder, open_model(["local"], journal=Path(folder) / "j.sqlite") as model:
        list(model.ask([request(prompt, query, 9) for query in queries[:4]]))  # servers up, examples read
        for at_once in (False, True):
            wall, answers = timed(
                model, [request(prompt, query, int(at_once)) for query in queries[:8]], at_once=at_once
            )
            tokens = sum(answer.completion_tokens for answer in answers)
            print(
                f"{8 if at_once else 1} at once: {tokens / wall:.1f} output tokens/s, {wall / 8:.2f} s a request, {tokens / 8:.0f} tokens each"
            )
        wall, answers = timed(model, [request(prompt, query, 2) for query in queries], at_once=True)
        failed = sum(answer.failure is not None for answer in answers)
        print(
            f"{len(queries)} queries, one negative each: {wall:.0f} s, {failed} failed; 100 queries: {wall / len(queries) * 100:.0f} s"
        )
        some = queries[:5]
        wall, answers = timed(
            model, [request(prompt, query, seed) for query in some for seed in range(10, 15)], at_once=True
        )
        groups = [texts_of(answers[i : i + 5]) for i in range(0, 25, 5)]
        report("five requests", wall, answers, groups)
        wall, answers = timed(model, [five_in_one(prompt, query) for query in some], at_once=True)
        report("one request", wall, answers, [texts_of([answer]) for answer in answers])
    sys.stdout.flush()


def report(name: str, wall: float, answers: Sequence[Answer], groups: Sequence[Sequence[str]]) -> None:
    made = sum(len(set(group)) for group in groups)
    failed = sum(answer.failure is not None for answer in answers)
    variety = sum(distinct(group) for group in groups if len(group) > 1) / max(
        1, sum(len(group) > 1 for group in groups)
    )
    tokens = sum(answer.completion_tokens for answer in answers)
    print(
        f"five negatives by {name}: {wall:.0f} s, {made} different ones of 25, {failed} of {len(answers)} requests failed, "
        f"variety {variety:.2f}, {tokens / max(1, made):.0f} tokens each"
    )


if __name__ == "__main__":
    main()
