"""A finding: what was measured, what it says, by which threshold, and whose that is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Finding", "percent"]


@dataclass(frozen=True)
class Finding:
    """One check of a method's negatives, or of the dataset."""

    check: str
    fine: bool | None
    """None if it could not be measured."""
    says: str
    """The verdict in words, with its figures."""
    source: str
    """The threshold, and where it comes from."""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.1f} %"
