"""The engine against the definition in plain Python and against rank-bm25 and bm25s."""

import importlib.metadata
import math
from collections import Counter
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnhub.bm25 import open as bm25
from hnhub.bm25.analysis import analyze
from hnhub.bm25.index import Index
from hnhub.bm25.indexing import index_chunks
from hnhub.bm25.languages import in_language
from hnhub.bm25.open import index_texts
from hnhub.bm25.reference import bm25s_scorer, rank_bm25_scorer
from hnhub.bm25.vocabulary import Vocabulary, read_words, to_arrow
from hnhub.errors import MissingExtra, UsageError
from hnhub.records import BM25Settings

PLAIN = BM25Settings(stemmer=None, stop_words=None)
ENGLISH = in_language(BM25Settings(), "en")
METHODS = ("lucene", "okapi", "bm25+", "bm25l")
WORDS = [f"w{chr(97 + n)}" for n in range(12)]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), min_size=1, max_size=40)
queries = st.lists(st.lists(st.sampled_from([*WORDS, "unseen"]), max_size=6).map(" ".join), min_size=1, max_size=5)


def plain_scores(documents: list[list[str]], query: list[str], given: BM25Settings) -> list[float]:
    """The formulas of docs/bm25.md, one document and one term after the other."""
    n, average = len(documents), sum(map(len, documents)) / len(documents)
    df = Counter(term for document in documents for term in set(document))
    okapi = {t: math.log(n - df[t] + 0.5) - math.log(df[t] + 0.5) for t in df}
    idf = {
        "lucene": {t: math.log(1 + (n - df[t] + 0.5) / (df[t] + 0.5)) for t in df},
        "okapi": {t: v if v >= 0 else 0.25 * sum(okapi.values()) / len(okapi) for t, v in okapi.items()},
        "bm25+": {t: math.log((n + 1) / df[t]) for t in df},
        "bm25l": {t: math.log((n + 1) / (df[t] + 0.5)) for t in df},
    }[given.method]
    scores = []
    for document in documents:
        tf, score = Counter(document), 0.0
        norm = 1 - given.b + given.b * len(document) / average if average else 1.0
        for term in query:
            if not tf[term]:
                continue
            part = tf[term] / (tf[term] + given.k1 * norm)
            if given.method == "bm25+":
                part = given.effective_delta + (given.k1 + 1) * part
            elif given.method == "bm25l":
                shifted = tf[term] / norm + given.effective_delta
                part = (given.k1 + 1) * shifted / (given.k1 + shifted)
            elif given.method == "okapi":
                part *= given.k1 + 1
            score += idf[term] * part
        scores.append(score)
    return scores


def assert_best(rows: np.ndarray, scores: np.ndarray, expected: list[float], k: int) -> None:
    """The k best of `expected` in order, but for ties within rounding; each with its score."""
    order = sorted(
        (row for row in range(len(expected)) if expected[row] > 1e-6), key=lambda row: (-expected[row], row)
    )[:k]
    found = rows[rows >= 0]
    assert len(found) == len(order)
    assert len(set(found.tolist())) == len(found)
    for rank, row in enumerate(found):
        assert scores[rank] == pytest.approx(expected[row], rel=1e-4, abs=1e-5)
        assert expected[row] == pytest.approx(expected[order[rank]], rel=1e-4, abs=1e-5)


@settings(max_examples=150, deadline=None)
@given(
    texts,
    queries,
    st.sampled_from(METHODS),
    st.sampled_from([0.0, 0.9, 1.5]),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.integers(1, 50),
)
def test_scores_are_the_formulas(texts, queries, method, k1, b, k):
    given = BM25Settings(method=method, k1=k1, b=b, stemmer=None, stop_words=None)
    index = index_texts(texts, given, threads=1)
    rows, scores = index.search(queries, k)
    assert rows.shape == scores.shape == (len(queries), k)
    for query, text in enumerate(queries):
        expected = plain_scores([text.split() for text in texts], text.split(), given)
        if method == "okapi" and any(abs(score) < 1e-5 for score in expected):
            expected = [score if score > 1e-5 else 0 for score in expected]
        assert_best(rows[query], scores[query], expected, k)
        for row in range(len(texts)):
            assert (
                index.scores([text], np.array([row]))[0] == pytest.approx(expected[row], abs=1e-4) or expected[row] <= 0
            )


@settings(max_examples=80, deadline=None)
@given(texts, queries, st.sampled_from(["lucene", "bm25+", "bm25l"]))
def test_same_ids_as_bm25s(texts, queries, method):
    given = BM25Settings(method=method, stemmer=None, stop_words=None)
    tokens = [text.split() for text in texts]
    score = bm25s_scorer(tokens, given)
    index = index_texts(texts, given, threads=1)
    for text in queries:
        query = [term for term in text.split() if any(term in document for document in tokens)]
        theirs = score(query) if query else np.zeros(len(texts))
        # bm25s gives the delta of bm25+ and bm25l also for terms that a document lacks; the papers do not.
        df = Counter(term for document in tokens for term in set(document))
        n, delta = len(texts), given.effective_delta
        for row, document in enumerate(tokens):
            for term in query:
                if term not in document and method == "bm25+":
                    theirs[row] -= math.log((n + 1) / df[term]) * delta
                elif term not in document and method == "bm25l":
                    theirs[row] -= math.log((n + 1) / (df[term] + 0.5)) * (given.k1 + 1) * delta / (given.k1 + delta)
        rows, scores = index.search([text], 10)
        expected = [score if set(query) & set(document) else 0 for score, document in zip(theirs, tokens, strict=True)]
        assert_best(rows[0], scores[0], expected, 10)


@settings(max_examples=80, deadline=None)
@given(texts, queries, st.sampled_from(["okapi", "bm25+"]))
def test_same_ids_as_rank_bm25(texts, queries, method):
    given = BM25Settings(method=method, stemmer=None, stop_words=None)
    tokens = [text.split() for text in texts]
    score = rank_bm25_scorer(tokens, given)
    index = index_texts(texts, given, threads=1)
    df = Counter(term for document in tokens for term in set(document))
    for text in queries:
        theirs = score(text.split()) if any(tokens) else np.zeros(len(texts))
        for row, document in enumerate(tokens):
            for term in text.split():
                if method == "bm25+" and term not in document and df[term]:
                    theirs[row] -= math.log((len(texts) + 1) / df[term]) * given.effective_delta
        rows, scores = index.search([text], 10)
        expected = [s if s > 1e-5 and set(text.split()) & set(d) else 0 for s, d in zip(theirs, tokens, strict=True)]
        assert_best(rows[0], scores[0], expected, 10)


def zipfian(count: int, length: int, seed: int, words: int = 5000) -> list[str]:
    rng = np.random.default_rng(seed)
    drawn = np.minimum(rng.zipf(1.2, (count, length)), words)
    return [" ".join(f"t{word}" for word in row) for row in drawn]


def in_shards(texts: list[str], given: BM25Settings, *, threads: int, chunk: int, postings: int) -> Index:
    chunks = (to_arrow(texts[first : first + chunk]) for first in range(0, len(texts), chunk))
    terms, shards = index_chunks(
        chunks, given, lambda _, shard: lambda: shard, threads=threads, shard_postings=postings
    )
    return Index(given, terms, list(shards), threads, lambda: None)


@pytest.mark.parametrize("method", METHODS)
def test_threads_and_shards_leave_no_trace(method):
    given = replace(ENGLISH, method=method)
    documents, asked = zipfian(12_000, 20, seed=1), zipfian(300, 6, seed=2)
    whole = in_shards(documents, given, threads=1, chunk=12_000, postings=1 << 40)
    rows, scores = whole.search(asked, 100)
    for threads, chunk, postings in ((1, 501, 1 << 40), (3, 500, 1 << 40), (2, 100, 5_000), (4, 1_000, 1)):
        index = in_shards(documents, given, threads=threads, chunk=chunk, postings=postings)
        again, again_scores = index.search(asked, 100)
        assert np.array_equal(rows, again)
        assert np.array_equal(scores, again_scores)
        wanted = np.arange(300, dtype=np.int64) * 40
        assert np.array_equal(whole.scores(asked, wanted), index.scores(asked, wanted))
    each = [whole.search([text], 100)[0][0] for text in asked[:20]]
    assert np.array_equal(np.array(each), rows[:20])


def test_best_of_many_documents_with_ties():
    documents = zipfian(20_000, 8, seed=3, words=60)
    asked = zipfian(50, 4, seed=4, words=60)
    index = index_texts(documents, PLAIN, threads=2)
    everything, all_scores = index.search(asked, len(documents))
    for k in (1, 7, 100, 3000):
        rows, scores = index.search(asked, k)
        assert np.array_equal(rows, everything[:, :k])
        assert np.array_equal(scores, all_scores[:, :k])
    for query in range(len(asked)):
        kept = everything[query] >= 0
        order = np.lexsort((everything[query][kept], -all_scores[query][kept]))
        assert np.array_equal(order, np.arange(kept.sum()))


def test_a_long_query_repeats_a_term():
    index = index_texts(["red fox", "blue fox", "red red sky"], PLAIN, threads=1)
    once, scores = index.search(["red"], 3)
    often, more = index.search(["red red red"], 3)
    assert np.array_equal(once, often)
    assert np.allclose(more, 3 * scores)


def test_edges():
    index = index_texts(["", "only one", " .,' "], PLAIN, threads=2)
    rows, scores = index.search(["one", "", "absent", "ONE only!"], 5)
    assert rows.tolist() == [[1, -1, -1, -1, -1], [-1] * 5, [-1] * 5, [1, -1, -1, -1, -1]]
    assert (scores[:, 1:] == 0).all()
    assert scores[3, 0] > scores[0, 0] > 0
    assert index.search([], 3)[0].shape == (0, 3)
    assert index.search(["one"], 0)[0].shape == (1, 0)
    for texts in ([], [""], ["", ""]):
        assert index_texts(texts, PLAIN, threads=1).search(["a"], 2)[0].tolist() == [[-1, -1]]
    assert index_texts(["a"], PLAIN, threads=1).search(["a"], 2)[0].tolist() == [[0, -1]]


def test_a_million_distinct_terms():
    documents = [
        " ".join(f"x{number:x}" for number in range(first, first + 1000)) for first in range(0, 1_000_000, 1000)
    ]
    index = index_texts(documents, PLAIN, threads=2)
    assert index.search(["xf423f", "x0 x3e8", "x1a2b3"], 2)[0].tolist() == [[999, -1], [0, 1], [107, -1]]


def test_settings_are_checked():
    for bad in (
        {"method": "bm42"},
        {"k1": -1},
        {"b": 1.5},
        {"stemmer": "latin"},
        {"engine": "lucene"},
        {"k1": math.nan},
        {"k1": math.inf},
        {"delta": 1.0},
        {"engine": "bm25s", "method": "okapi"},
    ):
        with pytest.raises(UsageError):
            BM25Settings(**bad)
    assert str(ENGLISH) == "lucene k1=0.9 b=0.4 stemmer=porter stop_words=english"
    assert set(bm25.__all__) <= set(vars(bm25))


def test_settings_from_pairs_of_text():
    found = BM25Settings(k1=1.2).changed_by({"stemmer": None, "b": "0.4", "k1": "1.5"})
    assert found == BM25Settings(k1=1.5, stemmer=None)
    assert found.changed == (("k1", 1.5), ("stemmer", None))
    assert BM25Settings().changed_by(dict(found.changed)) == found
    assert BM25Settings().changed_by({"delta": None, "stemmer": "auto"}) == BM25Settings()
    for bad in (("k2", "1"), ("k1", "much"), ("k1", None), ("stemmer", "latin"), ("method", None)):
        with pytest.raises(UsageError, match="BM25"):
            BM25Settings().changed_by(dict([bad]))


def test_a_reference_engine_stands_in_the_fingerprint_with_its_version(monkeypatch):
    assert bm25.identity(BM25Settings()) == BM25Settings().as_dict()
    assert bm25.identity(BM25Settings(engine="bm25s"))["version"] == importlib.metadata.version("bm25s")

    monkeypatch.setattr("sys.path", [])  # where distributions are looked for
    with pytest.raises(MissingExtra, match=r"rank_bm25 is not installed; pip install 'hnhub\[bench\]'"):
        bm25.identity(BM25Settings(engine="rank_bm25", method="okapi"))


# --- analysis

mixed = st.text(
    st.one_of(
        st.sampled_from(
            "aZz09 _'.,’:-\u00ad\u200d\u0301\u0308éÉßøİıΣς学校ひらカナ한국हिन्दीไทย①²½ﬁＡ３．\u0338\ud800 \n"
        ),
        # What machine code cuts by itself, and what it must leave alone: marks in and out of order, wide stops, a mark that composes.
        st.sampled_from(
            "学校中文。，．’“カ\u3099한국\u11a8กาน้ำ\u0e49\u0e38\u0e3aຫຳ\u0ec8မြ\u102e𠀀😀\u2014\u3000x7.,'_ "
        ),
        st.characters(),
    ),
    max_size=60,
)


@settings(max_examples=600, deadline=None)
@given(st.lists(mixed, min_size=1, max_size=4), st.sampled_from([PLAIN, ENGLISH, replace(ENGLISH, stemmer="english")]))
def test_machine_code_splits_as_defined(texts, given):
    vocabulary = Vocabulary(given)
    tokens = read_words(*to_arrow(texts))
    terms = vocabulary.translate(tokens.words)
    pool, starts, _ = vocabulary.terms.arrays()
    names = [pool[starts[n] : starts[n + 1]].tobytes().decode() for n in range(vocabulary.terms.count)]
    begin = 0
    for text, end in zip(texts, tokens.ends, strict=True):
        found = [
            names[term]
            for word in tokens.tokens[begin:end]
            for term in terms.terms[terms.starts[word] : terms.starts[word + 1]]
            if term >= 0
        ]
        begin = end
        assert found == analyze(text.encode("utf-8", "replace").decode(), given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Quick-brown FOX", ["the", "quick", "brown", "fox"]),
        ("a'学 б.学 ह'学校", ["a", "学", "б", "学", "ह", "学校"]),  # no mark joins a letter of a script without spaces
        ("Café CAFE\u0301 cafe naïve Ångström", ["cafe", "cafe", "cafe", "naive", "angstrom"]),
        ("Straße STRASSE øre Łódź", ["strasse", "strasse", "ore", "lodz"]),
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σίσυφοσ", "σίσυφοσ"]),
        ("Йод йод", ["йод", "йод"]),
        ("机器学习 machine学習", ["机器", "器学", "学习", "machine", "学習"]),
        ("東京タワーへ", ["東京", "京タ", "タワ", "ワー", "ーへ"]),
        ("ｶﾞ が か\u3099", ["ガ", "が", "が"]),
        ("한국어 처리", ["한국", "국어", "처리"]),
        ("水 ひ", ["水", "ひ"]),
        ("ภาษาไทย ที่", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย", "ที่"]),
        ("น้ำตา ทำ", ["น้ํา", "าต", "ตา", "ทํา"]),
        ("学校。中文，3．5だ", ["学校", "中文", "3.5", "だ"]),
        ("Python3で10,000円", ["python3", "で", "10,000", "円"]),
        ("العَرَبِيَّة", ["العَرَبِيَّة"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("3.14 1,000 v2.0 U.S.A. e.g. end.", ["3.14", "1,000", "v2.0", "u.s.a", "e.g", "end"]),
        ("don't rock’n’roll 'quoted'", ["don't", "rock'n'roll", "quoted"]),
        ("snake_case __init__ ___", ["snake_case", "__init__"]),
        ("H₂O ﬁne Ａ３", ["h2o", "fine", "a3"]),
        ("co\u00adoperate zero\u200dwidth \ufeffmark", ["cooperate", "zerowidth", "mark"]),
        ("a\ud800b \u0301 😀 …", ["a", "b"]),
    ],
)
def test_unicode(text, expected):
    assert analyze(text, PLAIN) == expected
    index = index_texts(["something else", text], PLAIN, threads=1)
    for term in expected:
        assert 1 in index.search([term], 2)[0][0]


def test_english():
    assert analyze("The runners' dog's running and the cats ran", ENGLISH) == [
        "runner",
        "dog",
        "run",
        "cat",
        "ran",
    ]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "the runners' dogs", ["runner", "dog"]),
        ("de", "Die Überprüfungen der Häuser und für die Größe", ["uberpruf", "haus", "gross"]),
        ("fr", "L'école qu'il aime: les informations générales", ["ecol", "aim", "inform", "general"]),
        ("es", "las informaciones sobre la acción", ["inform", "accion"]),
        ("ru", "и книгами на столе", ["книг", "стол"]),
        ("ar", "الكتاب كتاب", ["كتاب", "كتاب"]),
        ("zh", "为什么", ["为什", "什么"]),
        ("th", "ไทย", ["ไท", "ทย"]),
        ("sw", "the children's kitabu", ["the", "children's", "kitabu"]),
        (None, "the children", ["the", "children"]),
    ],
)
def test_analysis_is_the_languages_where_there_is_one(language, text, expected):
    assert analyze(text, in_language(BM25Settings(), language)) == expected


def test_settings_of_a_language():
    assert (ENGLISH.stemmer, ENGLISH.stop_words) == ("porter", "english")
    assert in_language(ENGLISH, "de") == ENGLISH  # what is named stays
    german = in_language(BM25Settings(k1=1.2), "de")
    assert (german.stemmer, german.stop_words, german.k1) == ("german", "german", 1.2)
    assert in_language(BM25Settings(stemmer=None), "de").stop_words == "german"
    turkish = in_language(BM25Settings(), "tr")
    assert (turkish.stemmer, turkish.stop_words) == ("turkish", None)
    assert str(in_language(BM25Settings(), "ja")) == "lucene k1=0.9 b=0.4 stemmer=none stop_words=none"
    assert str(in_language(BM25Settings(), None)) == str(in_language(BM25Settings(), "ja"))


def test_every_stemmer_and_list_is_there():
    import Stemmer

    from hnhub.bm25.languages import STEMMERS, stop_words
    from hnhub.records.bm25_settings import Stemmer as Named
    from hnhub.records.bm25_settings import StopWords

    assert {*STEMMERS.values(), "english"} == set(get_args(Named)) <= set(Stemmer.algorithms())
    assert all(len(stop_words(name)) > 30 for name in get_args(StopWords))
    assert "für" in stop_words("german")
