"""What goes wrong on purpose: a fault waits for a request that matches it."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Fault", "Faults"]

Kind = Literal["status", "status-after", "drop", "drop-after", "race", "truncate", "hang"]


@dataclass
class Fault:
    """One fault.

    status         answer `status` instead of doing what was asked
    status-after   do it, then answer `status` as if it had failed
    drop           close the connection instead
    drop-after     do it, then close the connection
    race           call `before` (a rival at work), then do what was asked
    truncate       of an upload's body, or of a download's, only half arrives
    hang           say nothing for `seconds`, then close the connection
    """

    kind: Kind
    match: str
    """A regular expression, searched in `METHOD /path`."""
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    """Sent as it is (not JSON) if given."""
    before: Callable[[], object] | None = None
    seconds: float = 30.0
    times: int = 1
    skip: int = 0
    met: int = 0
    """How often it struck."""


class Faults:
    """The faults that wait, in order."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Let a fault wait."""
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._waiting.clear()

    def take(self, request: str) -> Fault | None:
        """The fault that strikes this request, if one does."""
        with self._lock:
            for fault in self._waiting:
                if not re.search(fault.match, request):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.met < fault.times:
                    fault.met += 1
                    return fault
        return None
