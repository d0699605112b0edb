"""Nearness of texts: folding, similarity, and that the batched search finds exactly what comparing all pairs finds."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hnhub.text.similarity import NEAR, best_near, containment, near_pairs, normalise, repeats, shingles, similarity

words = st.sampled_from(
    [
        "zinc",
        "iron",
        "copper",
        "deficiency",
        "of",
        "vitamin",
        "causes",
        "prevents",
        "anemia",
        "in",
        "mice",
        "men",
        "Æther",
        "漢字",
        "x",
    ]
)
sentences = st.lists(words, max_size=12).map(" ".join)
many = st.lists(sentences, max_size=12)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  What's\tNEW,\npussy-cat?! ", "what s new pussy cat"),
        ("Straße", "strasse"),
        ("ﬁnd №5 in full-width ＡＢＣ", "find no5 in full width abc"),
        ("cafe\u0301", "café"),
        ("soft\u00adhyphen and zero\u200bwidth", "softhyphen and zerowidth"),
        ("C++ ≠ C", "c++ ≠ c"),
        ("हिन्दी", "हिन्दी"),
        ("漢字、かな。", "漢字 かな"),
        ("…—?!", ""),
        ("", ""),
    ],
)
def test_normalise(text: str, folded: str) -> None:
    assert normalise(text) == folded


@given(st.text())
def test_case_space_and_punctuation_make_no_difference(text: str) -> None:
    assert normalise(f" «{text}»,\n") == normalise(text)
    assert similarity(text, f"({text})!") == 1


@given(st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_ascii_takes_the_short_way_to_the_same_end(text: str) -> None:
    assert normalise(f"é {text}") == f"é {normalise(text)}".strip()


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_one_for_the_same(a: str, b: str) -> None:
    assert similarity(a, b) == similarity(b, a)
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, a) == containment(a, a) == 1


def test_shingles_are_distinct_5_grams() -> None:
    assert len(shingles("abcdefg")) == 3
    assert len(shingles("aaaaaaaaa")) == 1
    assert len(shingles("ab")) == 1
    assert len(shingles("?")) == 0
    assert similarity("ab", "ba") == 0


def test_a_negated_claim_is_near_and_another_claim_is_not() -> None:
    claim = "0-dimensional biomaterials lack inductive properties."
    assert similarity(claim, "0-dimensional biomaterials show inductive properties.") >= NEAR
    folate, vitamin = (
        f"A deficiency of {x} increases blood levels of homocysteine." for x in ("folate", "vitamin B12")
    )
    assert similarity(folate, vitamin) < NEAR


def test_a_half_is_contained_in_the_whole() -> None:
    whole = "Zinc deficiency causes anemia in mice. Iron deficiency, however, causes it in men and women."
    assert containment("zinc deficiency causes anemia in mice", whole) == 1
    assert similarity("zinc deficiency causes anemia in mice", whole) < NEAR
    assert containment("copper deficiency prevents rust", whole) < 0.5


@settings(deadline=None)
@given(many, many, st.sampled_from([0.2, 0.5, NEAR, 0.9, 1.0]))
def test_near_pairs_finds_what_all_pairs_find(texts: list[str], others: list[str], threshold: float) -> None:
    def compare(left: list[str], right: list[str]) -> list[tuple[int, int, float]]:
        pairs = [(i, j, similarity(a, b)) for i, a in enumerate(left) for j, b in enumerate(right) if a and b]
        return [pair for pair in pairs if pair[2] >= threshold]

    assert near_pairs(texts, others, threshold) == compare(texts, others)
    assert near_pairs(texts, None, threshold) == [pair for pair in compare(texts, texts) if pair[1] < pair[0]]


def test_near_pairs_of_long_texts_finds_what_all_pairs_find() -> None:
    base = [" ".join(f"word{(i * k) % 997}" for i in range(300)) for k in range(1, 6)]
    texts = base + [" ".join(text.split()[cut:]) for text in base for cut in (5, 30, 60, 150)]
    expected = [
        (i, j, similarity(a, b))
        for i, a in enumerate(texts)
        for j, b in enumerate(texts[:i])
        if similarity(a, b) >= NEAR
    ]
    assert len(expected) > 10
    assert near_pairs(texts) == expected


@settings(deadline=None)
@given(many, many)
@example(["?"], ["!", ""])
def test_best_near_is_the_most_similar(texts: list[str], others: list[str]) -> None:
    for text, at in zip(texts, best_near(texts, others), strict=True):
        scores = [similarity(text, other) for other in others]
        near = bool(scores) and max(scores) >= NEAR
        assert at == (scores.index(max(scores)) if near else None)


@settings(deadline=None)
@given(many)
def test_repeats_keeps_the_first_and_nothing_near_it(texts: list[str]) -> None:
    repeated = repeats(texts)
    kept = [i for i, at in enumerate(repeated) if at is None]
    for i, at in enumerate(repeated):
        near = [j for j in kept if j < i and similarity(texts[i], texts[j]) >= NEAR]
        assert (at in near) if at is not None else not near


def windowed(part: str, whole: str) -> float:
    """`containment`, window by window."""
    text, size = normalise(whole), 2 * len(shingles(part)) + 4
    grams = set(shingles(part).tolist())
    starts = range(max(1, len(text) - size + 1))
    return max(len(grams & set(shingles(text[at : at + size]).tolist())) for at in starts) / len(grams)


@settings(deadline=None)
@given(sentences, sentences)
def test_containment_is_that_of_the_best_window(part: str, whole: str) -> None:
    # Without spaces, which a window's ends would lose when it is normalised again.
    text, part = normalise(whole).replace(" ", "q"), normalise(f"zinc deficiency {part}").replace(" ", "q")
    assert containment(part, text) == (windowed(part, text) if text else 0)


LONG = {
    "english": ("which of two trials of {} found that {} slows the growth of {}", "zinc iron copper lambs growth trial slow of two"),
    "german": ("welche Überprüfung der {} hat gezeigt dass {} das Wachstum von {} hemmt", "Überprüfung Wachstum der das von Zink"),
    "arabic": ("كيف يؤثر {} على نمو {} في {}", "كيف يؤثر الزنك على نمو في من"),
    "thai": ("ทำไม{}จึงทำให้{}เติบโตช้าใน{}", "ทำไม จึง ทำให้ เติบโต ช้า ใน สังกะสี"),
    "chinese": ("为什么{}会影响{}的生长和{}的健康", "为什么 会 影响 的 生长 和 健康 锌 缺乏"),
}  # fmt: skip


@pytest.mark.parametrize("language", LONG)
def test_a_query_is_no_copy_of_a_long_text_that_has_its_pieces_everywhere(language: str) -> None:
    form, words_ = LONG[language]
    query = form.format("A", "B", "C")
    pieces = words_.split()
    # Every 5-gram of the query stands somewhere, each far from the next one.
    key = normalise(query)
    filler = " ".join(pieces * 3)
    scattered = " ".join(f"{key[at : at + 5]} {filler}" for at in range(len(key) - 4)) * 10
    assert len(set(shingles(query)) & set(shingles(scattered))) >= 0.8 * len(shingles(query))
    assert containment(query, scattered) < 0.7
    assert containment(query, f"{scattered}. {query}! {scattered}") == 1
