"""A scripted writer that stands in for a good model: its queries are sensible, and made of the passage's own rare words.

It knows how often words stand in the corpus (`Writer(texts)`), takes the words of a passage that tell it apart, and puts them as the
style asks. What it writes is a function of the passage, the style and the seed. Give it to `Scripted(text=Writer(texts))`.
"""

import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

__all__ = ["Writer"]

_WORD = re.compile(r"[a-z][a-z-]{2,}")
_SMALL = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "from",
        "that",
        "this",
        "are",
        "was",
        "were",
        "which",
        "when",
        "into",
        "over",
        "between",
        "under",
        "have",
        "has",
        "had",
        "been",
        "than",
        "not",
        "but",
        "can",
        "may",
        "these",
        "those",
        "its",
        "their",
        "there",
        "also",
        "such",
        "using",
        "used",
        "obtained",
        "given",
        "made",
        "found",
        "about",
        "upon",
        "some",
        "other",
        "both",
        "each",
        "only",
        "more",
        "most",
        "very",
        "where",
        "whose",
        "will",
        "would",
        "should",
        "could",
        "does",
        "did",
        "being",
        "all",
        "any",
        "one",
        "two",
        "three",
        "during",
        "within",
        "without",
        "through",
    ]
)
_QUESTIONS = (
    "what is known about {0} and {1} in {2}",
    "how does {0} depend on {1} with {2}",
    "which effect has {1} on {0} for {2}",
)
_CLAIMS = ("{0} depends on {1} where there is {2}", "{1} changes the {0} of {2}")
_FORMS = {
    "question": _QUESTIONS,
    "keyword search": ("{0} {1} {2}", "{1} {0}"),
    "claim": _CLAIMS,
    "how-to question": ("how can one find the {0} of a {1} with {2}",),
    "comparison": ("is {0} larger for {1} or for {2}",),
    "hard question": ("Somebody has to design for {0}, while {1} is given and {2} is not. What should they look at?",),
}

_FRAMES = {
    "question": ("what is known about {0}", "how does one deal with {0}", "which results are there on {0}"),
    "claim": ("{0} can be told in advance", "{0} matters in practice"),
}


class Writer:
    """Answers the prompts of queries and of their judge, and any other by a sentence of rare words."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Count the words of the corpus."""
        found = [set(_WORD.findall(text.lower())) for text in texts]
        self._of = Counter(word for words in found for word in words)
        self._count = len(found)

    def __call__(self, asked: str, seed: int) -> str:
        """The answer to the last message of a chat, as JSON."""
        if asked.rstrip().endswith("Give the grades."):
            return json.dumps(self._grades(asked))
        kind = re.search(r"Write the ([\w -]+)\.\s*$", asked)
        if kind is None:
            return json.dumps({"relevance": 0})
        if kind[1] == "passage":
            return json.dumps(
                {"negative": f"Another report, number {seed}, speaks of what is near to it and answers nothing."}
            )
        second = re.search(r"First passage: (.*?)\n\nSecond passage: (.*)\n\nWrite", asked, re.DOTALL)
        if second:
            one, other = (self._words(text, seed)[0] for text in second.groups())
            return json.dumps({"query": f"how do {one} and {other} go together"})
        passage = re.search(r"Passage: (.*)\n\nWrite", asked, re.DOTALL)
        text = passage[1] if passage else asked
        chance = random.Random(seed)
        if kind[1] in ("question", "claim") and (phrase := self._phrase(text, chance)):
            frame = chance.choice(_FRAMES[kind[1]])
            return json.dumps({"query": frame.format(phrase)})
        form = chance.choice(_FORMS.get(kind[1], _QUESTIONS))
        return json.dumps({"query": form.format(*self._words(text, seed))})

    def _phrase(self, passage: str, chance: random.Random) -> str | None:
        """A sentence of the passage, mostly its first, without its small words and a third of the others; None if there is none.

        What is left is in no word rarer than a reader's question would have it: the passage's rarest words are left out first.
        """
        sentences = [one for one in re.split(r"[.;:?]\s", passage.lower()) if len(_WORD.findall(one)) >= 6]
        if not sentences:
            return None
        words = [word for word in _WORD.findall(chance.choice([sentences[0], *sentences])) if self._tells(word)]
        rarest = sorted(set(words), key=self._rarity, reverse=True)[: len(words) // 5]
        kept = [word for word in words if word not in rarest and chance.random() > 0.25][:9]
        return " ".join(kept) if len(kept) >= 4 else None

    def _words(self, passage: str, seed: int) -> list[str]:
        """Three words or pairs of neighbours that tell the passage apart, drawn among the best eight."""
        tokens = re.findall(r"[a-z][a-z-]+|[.,;]", passage.lower())
        pairs = Counter(f"{a} {b}" for a, b in pairwise(tokens) if self._tells(a) and self._tells(b))
        single = Counter(token for token in tokens if self._tells(token))
        rated = {term: (1 + math.log(n)) * sum(map(self._rarity, term.split())) for term, n in (pairs + single).items()}
        best = sorted(rated, key=lambda term: (-rated[term], term))[:8]
        chosen: list[str] = []
        for term in random.Random(f"{seed}").sample(best, len(best)):
            if not any(set(term.split()) & set(other.split()) for other in chosen):
                chosen.append(term)
        return [*chosen, "flow", "theory", "measurement"][:3]

    def _tells(self, word: str) -> bool:
        return len(word) > 2 and word not in _SMALL

    def _rarity(self, word: str) -> float:
        return math.log((self._count + 1) / (self._of[word] + 1))

    def _grades(self, asked: str) -> dict[str, int]:
        """By the share of the query's words that the passage has."""
        query, _, passage = asked.partition("Query: ")[2].partition("\n\nPassage: ")
        words = {word for word in _WORD.findall(query.lower()) if word not in _SMALL}
        there = set(_WORD.findall(passage.lower()))
        return {"answerable": round(10 * len(words & there) / max(1, len(words))), "alone": 8 if len(words) > 1 else 3}
