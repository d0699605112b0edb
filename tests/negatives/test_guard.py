"""Nothing that may not be a negative gets past the guard."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub.negatives._overlap import SHARED, overlaps
from hnhub.negatives.guard import REASONS, Judged, Keys, judge
from hnhub.text.similarity import NEAR, normalise, similarity

POSITIVE = (
    "Zinc deficiency slows the growth of children. Supplements of ten milligrams a day bring it back within a year of treatment, "
    "as trials in nine countries found, though iron given at the same time weakens the effect."
)
TEXTS = {
    "p": POSITIVE,
    "r": "Children who get too little zinc are shorter than others.",
    "copy": POSITIVE.replace("ten", "10").replace("nine", "9"),
    "upper": POSITIVE.upper() + "!",
    "same-as-r": "Children, who get too little zinc, are shorter than others",
    "question": "Does zinc help children grow",
    "dots": "... --- ...",
    "good": "Copper deficiency weakens the bones of lambs on peat pastures, and a bolus of copper oxide prevents it for a season.",
    "good-again": "COPPER deficiency weakens the bones of lambs on peat pastures and a bolus of copper oxide prevents it for a season",
    "other": "Zinc is mined in Australia, Peru and China.",
}
QUERY = "Does zinc help children grow?"


def judged() -> Judged:
    return Judged(QUERY, ["p"], ["p", "r", "not in the corpus"], TEXTS, Keys(TEXTS))


def test_mined_candidates() -> None:
    expected = {
        "p": "positive",
        "r": "relevant",
        "copy": "copies_positive",
        "upper": "duplicate_of_relevant",
        "same-as-r": "duplicate_of_relevant",
        "question": "copies_query",
        "dots": "empty",
        "good": None,
        "good-again": "duplicate",
        "other": None,
    }
    found = judge(judged(), [(name, TEXTS[name]) for name in expected], Keys(TEXTS))
    assert dict(zip(expected, found, strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("?", "empty"),
        (TEXTS["same-as-r"], "duplicate_of_relevant"),
        (TEXTS["copy"], "copies_positive"),
        (POSITIVE.partition(". ")[0], "copies_positive"),
        (POSITIVE + " So they say." * 20 + TEXTS["good"], "copies_positive"),
        (QUERY + " Many have asked, and nobody in all of Peru could say for sure; so a trial began last winter.", None),
        ("does zinc help children to grow", "copies_query"),
        ("help children grow", "copies_query"),
        (TEXTS["good"], None),
    ],
)
def test_generated_candidates(text: str, reason: str | None) -> None:
    assert judge(judged(), [(None, text)], Keys(TEXTS)) == [reason]


def test_a_text_that_repeats_a_whole_claim_is_no_negative() -> None:
    """For a claim it would be a positive: small models like to begin so. A short query's words may stand in a negative."""
    claim = "The high-income countries have a higher rate of cardiovascular events than low-income countries"
    more = " In fact, they have seen a 25% increase in cardiovascular events since 1980, and in nine countries of them the most."
    known = Judged(claim, ["p"], ["p"], TEXTS, Keys(TEXTS))
    assert judge(known, [(None, claim + "." + more), (None, more)], Keys(TEXTS)) == ["copies_query", None]


def test_generated_repeats() -> None:
    texts = [TEXTS["good"], TEXTS["good-again"], TEXTS["good"].replace("season", "year"), TEXTS["other"]]
    found = judge(judged(), [(None, text) for text in texts], Keys(TEXTS))
    assert found == [None, "duplicate", "near_duplicate", None]


def windows(text: str, size: int = 1000) -> list[str]:
    """A text cut into windows that share half with the next one."""
    return [text[at : at + size] for at in range(0, len(text) - size // 2, size // 2)]


LONG = {
    "english": [f"Trial {n} of {n * 7} lambs found that copper number {n} slows growth; " for n in range(90)],
    "german": [f"Versuch {n}: die Überprüfung von {n * 7} Lämmern ergab Größe {n}, Gefäß {n * 3}; " for n in range(90)],
    "arabic": [f"التجربة {n} على {n * 7} من الحملان وجدت أن النحاس رقم {n} يبطئ النمو؛ " for n in range(90)],
    "thai": [f"การทดลองที่{n}กับลูกแกะ{n * 7}ตัวพบว่าทองแดงหมายเลข{n}ทำให้โตช้า" for n in range(120)],
    "chinese": [f"第{n}次试验对{n * 7}只羔羊发现{n}号铜会减缓生长，" for n in range(300)],
}


@pytest.mark.parametrize("language", LONG)
def test_overlapping_chunks_of_the_positive_are_no_negatives(language: str) -> None:
    chunks = windows("".join(LONG[language]))
    documents = {str(i): chunk for i, chunk in enumerate(chunks)}
    documents["short"] = chunks[1][:180]
    known = Judged("which trial", ["1"], ["1"], documents, Keys(documents))
    found = dict(zip(documents, judge(known, list(documents.items()), Keys(documents)), strict=True))
    assert similarity(chunks[0], chunks[1]) < NEAR
    assert [name for name, reason in found.items() if reason == "overlaps_positive"] == ["0", "2"]
    assert found["3"] is found["short"] is None


def test_what_holds_a_short_positive_whole_is_no_negative() -> None:
    answer = "Rye flour binds more water than wheat flour does."
    documents = {
        "answer": answer,
        "page": f"Flours differ. {answer} So a rye dough sticks to the hands.",
        "half": "Rye flour binds more water, and wheat flour has more gluten, which a long kneading develops.",
        "word": "Rye flour.",
    }
    known = Judged("does rye flour bind more water", ["answer"], ["answer"], documents, Keys(documents))
    found = dict(zip(documents, judge(known, list(documents.items()), Keys(documents)), strict=True))
    assert found == {"answer": "positive", "page": "overlaps_positive", "half": None, "word": None}


@settings(deadline=None)
@given(
    st.text(alphabet="ab", max_size=30),
    st.integers(0, 400),
    st.integers(150, 260),
    st.integers(0, 400),
    st.integers(0, 9),
)
def test_a_run_of_200_characters_is_found_wherever_it_stands(
    a: str, before: int, size: int, after: int, seed: int
) -> None:
    from random import Random

    random = Random(seed)
    some = lambda count: "".join(random.choices("abcdefghijklmnop字典", k=count))  # noqa: E731
    run = "y" + some(size - 2) + "y"
    positive, other = some(after) + "w" + run + "w" + a, some(before) + "x" + run + "x" + some(after)
    assert overlaps(["", other, some(300)], [positive, a]) == [False, size >= SHARED, False]


@pytest.mark.parametrize("chunked", [True, False])
def test_chunks_of_the_positives_file_are_no_negatives(chunked: bool) -> None:
    said = ("zinc in Norway", "tall swifts", "a violin", "old harbours", "copper lanterns", "dry summers")
    ids = [f"{name}#{n}" for name in ("a/b.md", "c.md") for n in (1, 2, 3)]
    documents = dict(zip(ids, said, strict=True))
    known = Judged("zinc", ["a/b.md#2"], ["a/b.md#2"], documents, Keys(documents), chunked=chunked)
    sibling = "sibling" if chunked else None
    found = judge(known, list(documents.items()), Keys(documents))
    assert found == [sibling, "positive", sibling, None, None, None]


def test_what_was_dropped_is_no_first_of_duplicates() -> None:
    documents = {"a.md#1": "zinc in Norway", "a.md#2": "tall swifts fly", "b.md#1": "Tall swifts fly!"}
    known = Judged("zinc", ["a.md#1"], ["a.md#1"], documents, Keys(documents), chunked=True)
    assert judge(known, list(documents.items()), Keys(documents)) == ["positive", "sibling", None]


words = st.sampled_from(
    ["zinc", "iron", "growth", "children", "lambs", "copper", "slows", "Peru", "a", "of", "9", "?!"]
)
texts = st.lists(words, max_size=60).map(" ".join)


@settings(deadline=None)
@given(
    corpus=st.lists(texts, min_size=1, max_size=8),
    query=texts,
    relevant=st.sets(st.integers(0, 7)),
    order=st.lists(st.integers(0, 7), max_size=12),
    generated=st.lists(texts, max_size=3),
)
def test_no_forbidden_candidate_is_kept(
    corpus: list[str], query: str, relevant: set[int], order: list[int], generated: list[str]
) -> None:
    documents = {str(i): text for i, text in enumerate(corpus)}
    allowed = [(str(i), documents[str(i)]) for i in order if str(i) in documents]
    candidates: list[tuple[str | None, str]] = [*allowed, *((None, text) for text in generated)]
    judged_ids = {"0", *(str(i) for i in relevant)}
    reasons = judge(Judged(query, ["0"], judged_ids, documents, Keys(documents)), candidates, Keys(documents))
    assert {reason for reason in reasons if reason} <= set(REASONS)
    kept = [candidate for candidate, reason in zip(candidates, reasons, strict=True) if reason is None]
    keys = [normalise(text) for _, text in kept]
    assert len(set(keys)) == len(keys)
    assert not {name for name, _ in kept} & judged_ids
    assert not set(keys) & {normalise(documents[name]) for name in judged_ids if name in documents}
    assert not {normalise(query), ""} & set(keys)
    for name, text in kept:
        if name is None:
            assert similarity(text, documents["0"]) < NEAR
            assert similarity(text, query) < NEAR


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(60, 250), st.floats(0, 0.3))
def test_probes_find_every_near_copy(seed: int, size: int, share: float) -> None:
    """The quick look before the exact comparison loses no copy: words are changed, dropped and doubled at random places."""
    import numpy as np

    rng = np.random.default_rng(seed)
    vocabulary = ["".join(chr(97 + c) for c in rng.integers(0, 26, rng.integers(2, 11))) for _ in range(400)]
    source = [vocabulary[i] for i in rng.integers(0, 400, size)]
    copy = []
    for word in source:
        luck = rng.random()
        new = vocabulary[rng.integers(0, 400)]
        copy += [word] if luck > share else [[], [new], [word, new]][rng.integers(0, 3)]
    documents = {"p": " ".join(source), "c": " ".join(copy)}
    near = similarity(documents["p"], documents["c"]) >= NEAR
    (reason,) = judge(Judged("q", ["p"], ["p"], documents, Keys(documents)), [("c", documents["c"])], Keys(documents))
    assert (reason is not None) == near
