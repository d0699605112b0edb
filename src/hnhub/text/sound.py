"""Whether a generated text is a text at all: no loop, no word of the model on its task, no template, right language, an end.

The limits are set by real passages and queries: `bench/generated_faults.py` prints the share of them that each check catches.
"""

import re

from hnhub.text.language import surely_other

__all__ = ["REASONS", "unsound"]

REASONS = {
    "repetitive": "it says the same words again and again, or ends in a loop",
    "template": "tokens of a prompt or chat template stand in it",
    "refusal": "the model refuses, or speaks of itself",
    "about_task": "it speaks of the passage or query that was asked for instead of being one",
    "other_language": "it is surely in another language than the corpus",
    "cut_off": "it breaks off: it fills what its schema allows, or ends in a dash or an opening mark",
}
"""Why a generated text is no text, in the order of the checks."""

_GRAM, _LEAST_GRAMS, _REPEATED = 4, 12, 0.5
# Of real passages one in a thousand repeats a quarter to two fifths of its 4-grams.
_TOKEN = re.compile(r"\w+|[^\w\s]")
_CHARACTERS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff]")

_REFUSAL = re.compile(
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b"
    r"|\bI(?:'|’)?(?: a)?m (?:sorry,? (?:but )?I|(?:unable|not able) to|(?:just )?an? (?:AI|language model))"
    r"|\bI (?:can(?:no|')t|can not|could not|couldn't|won't) (?:assist|help|fulfil|fulfill|comply|provide|generate|create|write)\b"
    r"|\A\s*(?:I apologi[sz]e|Sorry,)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"\A\W*(?:sure|certainly|of course|okay|absolutely)\s*[,!.:-]+\s*(?:here|I)\b"
    r"|\A\W*here(?:'s|’s| is| are)\b.{0,40}\b(?:passage|query|question|negative|claim|answer|JSON|response|example)s?\b"
    r"|\b(?:the|this|following) (?:given |following |other |hard )?(?:hard[- ]negative|negative passage)\b"
    r"|\bhard negatives?\b.{0,60}\b(?:search engine|training data)\b"
    r"|\b(?:write|generate) (?:the|a|one) (?:other |short )?(?:passage|query|question|claim)\b"
    r"|\A\W*(?:negative|passage|query|question|answer|claim|json)\W{0,2}:",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"<\|[\w ]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?(?:start_of_turn|end_of_turn|think|s|bos|eos|pad|unk)>|\{\{\s*\w+\s*\}\}"
    r"|\A\W*\{\s*\"\w+\"\s*:|\"(?:negative|query)s?\"\s*:"
    r"|^\s*(?:###\s*)?(?:system|user|assistant|human|instruction|response)\s*:\s*$|</?(?:system|user|assistant)>",
    re.IGNORECASE | re.MULTILINE,
)
_OPEN_END = re.compile(r"[(\[{«“‘\u2013\u2014]\s*\Z")
# Not a comma: of Cranfield's abstracts two end in one.


def unsound(text: str, *, language: str | None, longest: int | None = None) -> str | None:
    """Why a generated text is none, one of REASONS; None if it is one.

    `language` (ISO 639-1) is the one wanted, None for any. `longest`: characters that the schema of the answer allows; a text that
    fills it was cut off.
    """
    if _repetitive(text):
        return "repetitive"
    for reason, pattern in (("template", _TEMPLATE), ("refusal", _REFUSAL), ("about_task", _ABOUT)):
        if pattern.search(text):
            return reason
    if language is not None and surely_other(text, language):
        return "other_language"
    return "cut_off" if (longest is not None and len(text) >= longest) or _OPEN_END.search(text) else None


def _repetitive(text: str) -> bool:
    tokens = _TOKEN.findall(_CHARACTERS.sub(lambda found: f" {found[0]} ", text.lower()))
    grams = [tuple(tokens[i : i + _GRAM]) for i in range(len(tokens) - _GRAM + 1)]
    return len(grams) >= _LEAST_GRAMS and len(set(grams)) <= (1 - _REPEATED) * len(grams)
