"""The saved states of the embedded server's prompts: each prompt has a file of its own, whatever goes wrong on the way."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hnhub.llm.embedded import SavedPrompts
from hnhub.llm.protocols import Fault
from hnhub.llm.types import Message


class Slot:
    """A door to a server of one slot: what it reads, saves and restores by file; it fails once for the prompt `bad`."""

    def __init__(self, bad: str) -> None:
        self.bad: str | None = bad
        self.now = ""
        self.files: dict[str, str] = {}

    async def post(self, path: str, body: dict[str, Any], _: float) -> None:
        if path.endswith("save"):
            self.files[body["filename"]] = self.now
        elif path.endswith("restore"):
            self.now = self.files[body["filename"]]
        else:
            self.now = body["messages"][0]["content"]
            if self.now == self.bad:
                self.bad = None
                raise Fault("broken", "connection lost")


def test_a_prompt_that_could_not_be_saved_takes_no_other_prompts_file(ask_for):
    door = Slot(bad="system 9")
    prompts = SavedPrompts(SimpleNamespace(process=SimpleNamespace(poll=lambda: None)), door)  # type: ignore[arg-type]

    async def ask(number: int) -> str:
        messages = (Message("system", f"system {number}"), Message("user", "a query"))
        await prompts(ask_for(number, messages=messages))
        return door.now

    async def all_of_them() -> list[str]:
        first = [await ask(number) for number in range(8)]
        with pytest.raises(Fault):
            await ask(9)
        return [*first, await ask(10), await ask(7), await ask(6)]

    found = asyncio.run(all_of_them())
    assert found == [f"system {number}" for number in (*range(8), 10, 7, 6)]
