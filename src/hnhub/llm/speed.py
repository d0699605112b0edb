"""How fast a model has answered here before, by the times in the journal."""

from dataclasses import dataclass
from pathlib import Path

from hnhub.llm.journal import reading

__all__ = ["Speed", "measured_speed"]

_LATEST = 5000
_GAP = 30
"""Seconds without an answer after which it is another run."""
_ANSWERS, _SECONDS = 20, 5
"""What a run must have to tell a speed: times are noted in whole seconds."""


@dataclass(frozen=True)
class Speed:
    """Of the latest run that tells one: so many answers, one after the other or side by side, in so much time."""

    answers: int
    seconds: int


def measured_speed(path: Path, model: str | None, revision: str | None, method: str) -> Speed | None:
    """The speed of a model's latest answers for a method; None if the journal tells none."""
    if not path.is_file():
        return None
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT made FROM answers WHERE model IS ? AND revision IS ? AND method = ? ORDER BY made DESC LIMIT ?",
            (model, revision, method, _LATEST),
        )
        runs: list[list[int]] = []
        for (made,) in rows:
            if not runs or runs[-1][-1] - made > _GAP:
                runs.append([])
            runs[-1].append(made)
    speeds = (Speed(len(run) - 1, run[0] - run[-1]) for run in runs)
    return next((speed for speed in speeds if speed.answers >= _ANSWERS and speed.seconds >= _SECONDS), None)
