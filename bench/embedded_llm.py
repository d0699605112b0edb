"""The embedded default: tokens/s at 1 and 8 requests at once, and several negatives in one request or in several.

python bench/embedded_llm.py [--queries 30] --corpus DIR [--only-place]     DIR is a BEIR folder, for its queries

First the same eight requests to xllamacpp's server inside a process (its own calls, no HTTP) and to the child servers
that hnhub starts; CPU is of all processes concerned. `--only-place` ends there.
"""

import argparse
import itertools
import json
import os
import platform
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hnhub.llm import embedded, protocols
from hnhub.llm.client import Model
from hnhub.llm.open import open_model
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


def cpu(*processes: int) -> float:
    """Seconds that processes have used so far, all their threads."""
    ticks = 0
    for process in processes:
        ticks += sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def in_process(queries: Sequence[str], servers: int, threads: int, slots: int) -> None:
    """So many servers in this process, each with so many threads and slots; requests by their own calls."""
    import xllamacpp

    def server() -> Any:
        params = embedded.parameters(str(embedded.weights_path()))
        params.n_parallel, params.n_ctx = slots, params.n_ctx * slots
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        return xllamacpp.Server(params)

    prompt = find_prompt("negative")
    started = [server() for _ in range(servers)]

    def ask(server: Any, waiting: "queue.SimpleQueue[Request]", tokens: list[int]) -> None:
        while not waiting.empty():
            body = protocols.body("openai", waiting.get(), embedded.MODEL, None, structured=True)
            tokens.append(server.handle_chat_completions(body)["usage"]["completion_tokens"])

    def run(number: int, seed: int, at_once: int) -> None:
        waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
        for query in queries[:number]:
            waiting.put(request(prompt, query, seed))
        tokens: list[int] = []
        begin, used = time.perf_counter(), cpu(os.getpid())
        asking = [
            threading.Thread(target=ask, args=(started[i % servers], waiting, tokens))
            for i in range(min(at_once, servers * slots))
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        if seed != 9:
            name = f"in process, {servers} server(s) of {threads} thread(s), {slots} slot(s)"
            report_place(name, at_once, sum(tokens), time.perf_counter() - begin, cpu(os.getpid()) - used)

    run(4, 9, servers * slots)  # examples read
    run(8, 0, 1)
    run(8, 1, 8)
    sys.stdout.flush()
    os._exit(0)  # as the children end


def report_place(name: str, at_once: int, tokens: int, wall: float, used: float) -> None:
    print(
        f"{name}, {at_once} at once: {tokens / wall:.1f} output tokens/s, {wall / 8:.2f} s a request, "
        f"{tokens / 8:.0f} tokens each, {used / tokens * 1000:.1f} CPU ms a token",
        flush=True,
    )


def children_of_this() -> list[int]:
    return [
        int(child) for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()
    ]


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
    parser.add_argument("--only-place", action="store_true")
    parser.add_argument("--in-process", type=int, nargs=3, metavar=("SERVERS", "THREADS", "SLOTS"))
    given = parser.parse_args()
    with (given.corpus / "queries.jsonl").open() as file:
        queries = [json.loads(line)["text"] for line in itertools.islice(file, given.queries)]
    if given.in_process:
        in_process(queries, *given.in_process)
    prompt = find_prompt("negative")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {embedded.server_version()}",
        flush=True,
    )
    cores = embedded.children()
    for shape in ((1, cores, 1), (1, cores, 8), (cores, 1, 1)):
        # A process each, and threads that do not spin while they wait: as the children have it.
        subprocess.run(
            [sys.executable, __file__, "--corpus", given.corpus, "--in-process", *map(str, shape)],
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
            check=True,
        )
    with tempfile.TemporaryDirectory() as folder, open_model(["local"], journal=Path(folder) / "j.sqlite") as model:
        list(model.ask([request(prompt, query, 9) for query in queries[:4]]))  # servers up, examples read
        for at_once in (False, True):
            processes = [os.getpid(), *children_of_this()]
            used = cpu(*processes)
            wall, answers = timed(
                model, [request(prompt, query, int(at_once)) for query in queries[:8]], at_once=at_once
            )
            tokens = sum(answer.completion_tokens for answer in answers)
            name = f"{len(processes) - 1} child servers"
            report_place(name, 8 if at_once else 1, tokens, wall, cpu(*processes) - used)
        if given.only_place:
            return
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
