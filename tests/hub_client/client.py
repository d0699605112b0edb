"""A process with the real clients in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Client", "clean_environment"]


def clean_environment(url: str, home: Path, token: str | None, *, xet: bool) -> dict[str, str]:
    """An environment in which a client knows only this Hub, this token and an empty home."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "HNHUB_"))}
    kept |= {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    kept |= {
        "HF_HUB_DISABLE_XET": "0" if xet else "1",
        # This checkout's code, whatever is installed.
        "PYTHONPATH": os.pathsep.join(
            str(Path(__file__).parents[level] / name) for level, name in ((1, ""), (2, "src"))
        ),
        "OMP_NUM_THREADS": "1",
    }
    return kept | ({"HF_TOKEN": token} if token else {})


class Client:
    """A process that takes orders (`hub_client.worker`) one after the other. Use it in a `with`."""

    def __init__(self, url: str, home: Path, token: str, *, xet: bool, timeout: float = 3.0) -> None:
        self._log = (home.parent / f"{home.name}.log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hub_client.worker", str(timeout)],
            env=clean_environment(url, home, token, xet=xet), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip

    def __call__(self, order: str, **arguments: Any) -> dict[str, Any]:
        """Give an order; the answer holds `value`, or `error` (the class's name) and `message`."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"order": order, **arguments}, default=str).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.stderr
        answer: dict[str, Any] = json.loads(line)
        return answer

    @property
    def stderr(self) -> str:
        """What the process has said."""
        self._log.seek(0)
        return self._log.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._log.close()
