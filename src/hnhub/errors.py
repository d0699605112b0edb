"""Every error that hnhub raises on purpose, each with its exit code and the user's next action.

    HnhubError                  2
    ├── RuleBroken              1   the data broke a rule (validate, card --check, verify)
    ├── UsageError              2   wrong usage
    │   ├── InputError          2   bad input: names the file, the line or the row
    │   └── MissingExtra        2   a part that is not installed: names what to install
    ├── ServiceError            3   an endpoint or the Hub failed after its retries; what was made is kept
    └── LimitReached            4   a limit that the user set was reached; what was made is kept

A message is one line: what is wrong and where, then what to do.
"""

from typing import Any, ClassVar

__all__ = [
    "HnhubError",
    "InputError",
    "LimitReached",
    "MissingExtra",
    "RuleBroken",
    "ServiceError",
    "UsageError",
]


class HnhubError(Exception):
    """An error for the user: `what` names the thing and the place, `do` the next action."""

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, do: str) -> None:
        super().__init__(" ".join(f"{what}; {do}".split()))
        self.what = what
        self.do = do

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels between processes whatever its constructor takes."""
        return _again, (type(self), self.what, self.do)


def _again(kind: type[HnhubError], what: str, do: str) -> HnhubError:
    error = kind.__new__(kind)
    HnhubError.__init__(error, what, do=do)
    return error


class RuleBroken(HnhubError):
    """The data broke a rule."""

    exit_code = 1


class UsageError(HnhubError):
    """The command or the call makes no sense as it stands."""


class InputError(UsageError):
    """A file or a row that was given is bad."""


class MissingExtra(UsageError):
    """A part of hnhub that is not installed."""

    def __init__(self, what: str, *, extra: str, instead: str | None = None) -> None:
        install = f"pip install 'hnhub[{extra}]'"
        super().__init__(f"{what} is not installed", do=f"{install}, or {instead}" if instead else install)


class ServiceError(HnhubError):
    """An outside service failed after its retries."""

    exit_code = 3


class LimitReached(HnhubError):
    """A limit that the user set was reached."""

    exit_code = 4
