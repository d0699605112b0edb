from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hnhub.llm.prompts import find_prompt
from hnhub.llm.types import Message, Request

SCHEMA = '{"additionalProperties":false,"properties":{"negative":{"maxLength":200,"type":"string"}},"required":["negative"],"type":"object"}'


@pytest.fixture(scope="session")
def ask_for() -> Callable[..., Request]:
    """Makes a short request by number."""

    def make(number: int, **changes: Any) -> Request:
        settings: dict[str, Any] = {
            "id": f"q{number}",
            "method": "llm",
            "messages": (Message("system", "Write a negative."), Message("user", f"query {number}")),
            "schema": SCHEMA,
            "prompt_sha256": "0" * 64,
            "max_tokens": 50,
            "temperature": 0.6,
            "top_p": 0.95,
            "seed": number,
        }
        return Request(**{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def local_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A HNHUB_HOME of the tests' own, so that the weights are re-encoded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HNHUB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def negative_prompt() -> Any:
    return find_prompt("negative")
