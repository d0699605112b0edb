"""Words of texts as the page marks them, and the two measures that it sorts by. The page's text.js cuts words the same way."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["common_words", "jaccard", "share", "vocabulary"]

_WORD = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]|(?:(?![぀-ヿ㐀-鿿豈-﫿])\w)+")
# Of scripts without spaces every character is a word.

_COMMON = 0.25
_SAMPLE = 2000


def vocabulary(text: str | None) -> frozenset[str]:
    """The distinct words of a text, in lower case."""
    return frozenset(_WORD.findall(text.lower())) if text else frozenset()


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """The share of the words of both that both have, 0 to 1."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0


def share(query: frozenset[str], text: frozenset[str], common: frozenset[str]) -> float:
    """The share of the query's words, common ones apart, that a text has."""
    asked = query - common
    return len(asked & text) / len(asked) if asked else 0.0


def common_words(vocabularies: Sequence[Iterable[str]]) -> list[str]:
    """The words that stand in over a quarter of the texts (of a sample at even distances): marking them would tell nothing."""
    sample = vocabularies[:: max(1, len(vocabularies) // _SAMPLE)]
    counts = Counter(word for words in sample for word in words)
    return sorted(word for word, count in counts.items() if len(sample) >= 20 and count > _COMMON * len(sample))
