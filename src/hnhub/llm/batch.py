"""OpenAI's batch API: requests go up as a file, answers come down as one within a day, at half the price.

Who asks does not notice: requests gather until none has come for a moment, and go up together. What goes up is noted beside the
journal before it is sent (`hnhub.llm.batch_notes`), so a run that was killed finds its batches at the provider and pays for none twice.
"""

import asyncio
import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hnhub.errors import HnhubError, ServiceError
from hnhub.llm import protocols
from hnhub.llm.batch_notes import Note, forget, note, notes
from hnhub.llm.dispatch import Dispatcher, Job
from hnhub.llm.endpoints import Endpoint, gives_way
from hnhub.llm.journal import Failed, Stored
from hnhub.llm.protocols import Fault, fault_of_status
from hnhub.llm.transport import retry_after
from hnhub.llm.wire_json import decode

__all__ = ["MOST", "Batches"]

log = logging.getLogger(__name__)

MOST = 50_000
"""Requests of a batch, as OpenAI has it."""
_LARGEST = 100_000_000
"""Bytes of its file; OpenAI takes 200 MB."""
_DOWN = 2_000_000_000
_TRANSFER = 900.0
"""Seconds that a file may take."""
_PATIENCE = 600.0
"""Seconds without an answer before the provider counts as gone; the batch goes on there."""
_LONGEST_POLL = 60.0
_TRIES = 3
"""How often a request is put into a batch that brings no answer to it."""
_OVER = ("completed", "expired", "cancelled")
_AGAIN = "run the same command again: a batch goes on at the provider, and its answers are taken"

Result = tuple[int, bytes]
"""Status and body of one request's answer."""


@dataclass(eq=False)
class _Batch:
    """A batch at the provider, or on its way there."""

    tag: str
    keys: set[bytes]
    """The requests whose outcome nobody has taken."""
    id: str | None = None
    jobs: list[Job] = field(default_factory=list)
    results: Mapping[bytes, Result] | None = None
    followed: bool = False
    structured: bool = True
    switch: int = 0


class Batches:
    """Takes jobs in a dispatcher's place, and sends them as batches to one endpoint. It works in the dispatcher's thread."""

    def __init__(self, dispatcher: Dispatcher, endpoint: Endpoint, *, poll: float = 10.0, quiet: float = 1.0) -> None:
        """`poll`: seconds between the first looks at a batch; `quiet`: seconds without a further request that end the gathering."""
        self._dispatcher = dispatcher
        self._endpoint = endpoint
        self._path: Path = dispatcher.journal.path
        self._poll = poll
        self._quiet = quiet
        self._incoming: deque[Job] = deque()
        self._held: deque[Job] = deque()
        """Those that the budget has no room for until others are answered."""
        self._reserved: set[Job] = set()
        self._batches: dict[str, _Batch] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        for one in notes(self._path, endpoint.door.url):
            self._remember(one)

    def submit(self, job: Job) -> None:
        """Take a job; from any thread."""
        self._incoming.append(job)
        self._dispatcher.call(self._came)

    def abandon(self, owner: object, grace: float) -> None:
        """Take no more notice of an owner's jobs; what is in a batch goes on at the provider."""
        del grace  # nobody waits for a batch that may take a day
        if count := sum(job.owner is owner for batch in list(self._batches.values()) for job in list(batch.jobs)):
            log.warning("%d requests are in batches at the provider: the same command takes their answers", count)
        self._dispatcher.call(self._drop, owner)

    async def close(self) -> None:
        """Look at no batch any more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remember(self, one: Note) -> None:
        """A batch of an earlier run, unless the journal has all of it."""
        open_keys = {key for key in one.keys if self._dispatcher.journal.find(key) is None}
        if open_keys:
            self._batches[one.tag] = _Batch(one.tag, open_keys, one.id)
        else:
            forget(self._path, one.tag)

    # --- all that follows runs in the loop's thread

    def _drop(self, owner: object) -> None:
        for line in (self._incoming, self._held):
            kept = [job for job in line if job.owner is not owner]
            line.clear()
            line.extend(kept)
        for batch in self._batches.values():
            batch.jobs = [job for job in batch.jobs if job.owner is not owner]

    def _came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = 0.0 if len(self._incoming) >= MOST else self._quiet
        self._timer = asyncio.get_running_loop().call_later(wait, self._go)

    def _go(self) -> None:
        """Hand every job to the batch that it is in already, or to a new one."""
        known = {key: batch for batch in self._batches.values() for key in batch.keys}
        fresh: list[Job] = []
        while self._incoming:
            job = self._incoming.popleft()
            if (batch := known.get(job.key)) is None:
                fresh.append(job)
            else:
                batch.jobs.append(job)
        for batch in list(self._batches.values()):
            if batch.jobs and batch.results is not None:
                self._deliver(batch)
            elif batch.jobs and not batch.followed:
                self._start(batch, self._follow(batch))
        for jobs, data in self._files(self._afforded([*self._held, *fresh])):
            tag = hashlib.sha256(data).hexdigest()[:32]
            batch = _Batch(tag, {job.key for job in jobs}, jobs=jobs)
            batch.structured, batch.switch = self._endpoint.structured, self._endpoint.switch
            self._batches[tag] = batch
            self._start(batch, self._send(batch, data))

    def _afforded(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that the budget has room for; the others are held until there is more."""
        budget = self._dispatcher.budget
        self._held.clear()
        found = []
        for job in jobs:
            if budget.limited and job not in self._reserved:
                if self._held or not budget.reserve(job.worst, self._dispatcher.prices):
                    self._held.append(job)
                    continue
                self._reserved.add(job)
            found.append(job)
        if self._held and not found and not any(batch.jobs for batch in self._batches.values()):
            self._dispatcher.fail(budget.reached())
        return found

    def _files(self, jobs: Sequence[Job]) -> Iterator[tuple[list[Job], bytes]]:
        """Jobs with the file that asks for them, as many as one may hold; what several callers ask stands in it once."""
        held: list[Job] = []
        lines: dict[bytes, bytes] = {}
        size = 0
        for job in jobs:
            if job.key not in lines:
                line = self._line(job)
                if held and (len(lines) == MOST or size + len(line) > _LARGEST):
                    yield held, b"".join(lines.values())
                    held, lines, size = [], {}, 0
                lines[job.key] = line
                size += len(line)
            held.append(job)
        if held:
            yield held, b"".join(lines.values())

    def _line(self, job: Job) -> bytes:
        endpoint = self._endpoint
        served = endpoint.served
        body = protocols.body(
            served.api, job.request, served.asked, None, structured=endpoint.structured, switch=endpoint.switch
        )
        line = {"custom_id": job.key.hex(), "method": "POST", "url": protocols.PROTOCOLS[served.api].path, "body": body}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"

    def _start(self, batch: _Batch, work: Coroutine[Any, Any, None]) -> None:
        batch.followed = True
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except HnhubError as error:
            self._dispatcher.fail(error)
        except Exception as error:
            log.exception("a batch ended in a bug")
            self._dispatcher.fail(ServiceError(f"a batch: {type(error).__name__}: {error}", do="report this"))

    async def _send(self, batch: _Batch, data: bytes) -> None:
        note(self._path, Note(batch.tag, self._endpoint.door.url, None, tuple(batch.keys)))
        for job in batch.jobs:
            self._dispatcher.sent[job.request.method] += 1
        form, kind = _form(f"{batch.tag}.jsonl", data)
        file = await self._json("POST", "/v1/files", form, kind=kind, deadline=_TRANSFER)
        asked = {
            "input_file_id": file["id"],
            "endpoint": protocols.PROTOCOLS[self._endpoint.served.api].path,
            "completion_window": "24h",
            "metadata": {"hnhub": batch.tag},
        }
        made = await self._json("POST", "/v1/batches", json.dumps(asked).encode(), landed=lambda: self._find(batch.tag))
        log.warning(
            "batch %s: %d requests are with the provider, for a day at most; stopped, the same command goes on from there",
            made["id"],
            len(batch.jobs),
        )
        await self._name(batch, str(made["id"]))
        await self._follow(batch)

    async def _name(self, batch: _Batch, found: str) -> None:
        batch.id = found
        note(self._path, Note(batch.tag, self._endpoint.door.url, found, tuple(batch.keys)))

    async def _find(self, tag: str) -> dict[str, Any] | None:
        """The batch of this tag, on whichever page of the list, if the provider has it: an answer to its making may have been lost. One that failed did nothing."""
        after = ""
        while True:
            listed = await self._json("GET", f"/v1/batches?limit=100{after}")
            for one in listed["data"]:
                if (one.get("metadata") or {}).get("hnhub") == tag and one.get("status") != "failed":
                    return dict(one)
            last = f"&after={quote(str(listed['data'][-1]['id']), safe='')}" if listed["data"] else after
            if not listed.get("has_more") or last == after:  # the same page again: a server that knows no others
                return None
            after = last

    async def _follow(self, batch: _Batch) -> None:
        """Look at a batch until it is over, and take its answers."""
        if batch.id is None and (made := await self._find(batch.tag)):
            await self._name(batch, str(made["id"]))
        wait = self._poll
        while batch.id is not None:
            state = await self._json("GET", f"/v1/batches/{batch.id}", missing={})
            status = state.get("status")
            if status is None or status in _OVER:
                break
            if status == "failed":
                self._end(batch)
                raise ServiceError(
                    f"{self._endpoint.door.url}: batch {batch.id} failed: {_first_error(state)}",
                    do="see to it and run the same command again: what was answered is kept",
                )
            counts = state.get("request_counts") or {}
            log.info("batch %s: %s, %s of %s", batch.id, status, counts.get("completed"), counts.get("total"))
            await asyncio.sleep(wait)
            wait = min(_LONGEST_POLL, wait * 1.5)
        else:
            state = {}
        found: dict[bytes, Result] = {}
        for name in ("output_file_id", "error_file_id"):
            if file := state.get(name):
                path = f"/v1/files/{file}/content"
                found |= _results(await self._fetch("GET", path, None, deadline=_TRANSFER, largest=_DOWN))
        batch.results = found
        self._deliver(batch)

    def _deliver(self, batch: _Batch) -> None:
        """Give every job of a batch that is over its outcome; the batch is done when all its requests were asked for."""
        assert batch.results is not None
        jobs, batch.jobs = batch.jobs, []
        for job in jobs:
            self._settle(batch, job, batch.results.get(job.key))
        batch.keys &= set(batch.results)  # what it did not answer goes into another
        if not batch.keys:
            self._end(batch)
        if self._held or self._incoming:
            self._came()

    def _settle(self, batch: _Batch, job: Job, result: Result | None) -> None:
        first = job.key in batch.keys  # others wait for the same answer, which is paid once
        batch.keys.discard(job.key)
        try:
            reply = _reply(self._endpoint.served.api, result)
        except Fault as fault:
            self._spend(job, (0, 0))
            self._dispatcher.faults[fault.reason] += 1
            self._failed(batch, job, fault)
            return
        prompt, completion = reply.prompt_tokens, reply.completion_tokens
        used = (job.worst[0] if prompt is None else prompt, job.worst[1] if completion is None else completion)
        self._spend(job, used if first else (0, 0))
        self._write(job, Stored(reply.text, reply.finish, *used, self._endpoint.served.server))

    def _failed(self, batch: _Batch, job: Job, fault: Fault) -> None:
        job.tries += 1
        if fault.kind == "rejected":
            again = gives_way(
                self._endpoint, job.request, fault.reason, structured=batch.structured, switch=batch.switch
            )
        else:
            again = job.tries < _TRIES
        if again:
            self._incoming.append(job)
        else:
            self._write(job, Failed(fault.reason))

    def _spend(self, job: Job, used: tuple[int, int]) -> None:
        worst = job.worst if job in self._reserved else (0, 0)
        self._reserved.discard(job)
        self._dispatcher.budget.settle(worst, *used, self._dispatcher.prices)

    def _write(self, job: Job, outcome: Stored | Failed) -> None:
        served = self._endpoint.served
        self._dispatcher.journal.add(
            job.key, job.request, served.model, served.revision, outcome=outcome, then=job.then
        )

    def _end(self, batch: _Batch) -> None:
        """Forget a batch, once its answers are on the disk."""
        del self._batches[batch.tag]
        self._dispatcher.journal.when_written(lambda: forget(self._path, batch.tag))

    async def _json(
        self,
        verb: str,
        path: str,
        data: bytes | None = None,
        *,
        kind: str | None = None,
        deadline: float = 60.0,
        landed: "Callable[[], Coroutine[Any, Any, dict[str, Any] | None]] | None" = None,
        missing: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        content = await self._fetch(verb, path, data, kind=kind, deadline=deadline, landed=landed, missing=missing)
        try:
            found = decode(content) if isinstance(content, bytes) else content
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ServiceError(f"{self._endpoint.door.url}{path}: gives no JSON object", do="is it OpenAI's batch API?")
        return found

    async def _fetch(
        self,
        verb: str,
        path: str,
        data: bytes | None,
        *,
        deadline: float,
        kind: str | None = None,
        largest: int = _LARGEST,
        landed: "Callable[[], Coroutine[Any, Any, dict[str, Any] | None]] | None" = None,
        missing: dict[str, Any] | None = None,
    ) -> Any:
        """What is there, tried again for as long as that may help. `landed` looks whether a lost answer hid a success."""
        loop = asyncio.get_running_loop()
        started, tries = loop.time(), 0
        door = self._endpoint.door
        while True:
            try:
                status, headers, content = await door.fetch(verb, path, data, deadline, kind=kind, largest=largest)
                if status in (200, 201):
                    return content
                if status == 404 and missing is not None:
                    return missing
                fault = fault_of_status(status, content, retry_after(headers))
            except Fault as lost:
                fault = lost
            if (gone := loop.time() - started > _PATIENCE) or fault.kind in ("fatal", "rejected"):
                do = _AGAIN if gone else "look whether it has OpenAI's batch API, or leave out --batch-api"
                raise ServiceError(f"{door.url}{path.partition('?')[0]}: {fault.reason}", do=do)
            tries += 1
            await asyncio.sleep(min(_PATIENCE, fault.wait) if fault.wait is not None else min(30.0, 0.2 * 2.0**tries))
            if landed is not None and (found := await landed()) is not None:
                return found


def _form(name: str, data: bytes) -> tuple[bytes, str]:
    """A multipart form with the file and its purpose, and its content type."""
    mark = f"hnhub-{hashlib.sha256(data).hexdigest()[:32]}"
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--{mark}\r\n'
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: application/jsonl\r\n\r\n'
    )
    return head.encode() + data + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def _results(data: bytes) -> dict[bytes, Result]:
    """By the request's key, status and body; a line that tells of an error without an answer counts as a passing fault."""
    found: dict[bytes, Result] = {}
    for line in filter(None, data.splitlines()):
        try:
            row = decode(line)
            key = bytes.fromhex(row["custom_id"])
            answer = row.get("response") or {}
            status = int(answer.get("status_code") or 503)
            body = answer.get("body") if answer.get("body") is not None else {"error": row.get("error")}
            found[key] = (status, json.dumps(body, ensure_ascii=False).encode())
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("a batch has a line that can't be read")
    return found


def _reply(api: protocols.Api, result: Result | None) -> protocols.Reply:
    """The answer that a batch brought to a request. Raises Fault if it is none."""
    if result is None:
        raise Fault("useless", "no answer in the batch")
    status, body = result
    if status != 200:
        raise fault_of_status(status, body, None)
    return protocols.read_reply(api, "application/json", {}, body)


def _first_error(state: Mapping[str, Any]) -> str:
    errors = (state.get("errors") or {}).get("data") or [{}]
    return " ".join(str(errors[0].get("message") or errors[0].get("code") or "no reason is given").split())[:200]
