"""Names that were given and are none: what was meant, perhaps."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["meant"]


def meant(name: str, known: Iterable[str], *, all_of: str = "known are") -> str:
    """What to do about a wrong name: `did you mean 'negatives'?`, or where none is near, what there is."""
    names = list(dict.fromkeys(known))
    folded = {one.lower().replace("-", "_"): one for one in reversed(names)}
    near = get_close_matches(name.lower().replace("-", "_"), list(folded), n=1, cutoff=0.6)
    return f"did you mean {folded[near[0]]!r}?" if near else f"{all_of} {', '.join(sorted(names)) or 'none'}"
