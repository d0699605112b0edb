"""BM25 on other scripts than Latin, against English: made texts of as many bytes, analysed as their language is.

    python bench/bm25_scripts.py [--megabytes 6] [--runs 3]

Words are made of a script's letters and drawn from a Zipfian vocabulary, as letters are in Chinese, Japanese and Korean; between
them are spaces where the script has them, else a comma now and then. CPU time of one thread, in turns.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from _common import compared, cpu_seconds, machine, spread, table
from hnhub.bm25.languages import in_language
from hnhub.bm25.open import index_texts
from hnhub.records import BM25Settings

VOCABULARY, PASSAGE, QUERY, QUERIES, K = 30_000, 600, 30, 2000, 100
"""Words; characters of a passage and of a query; queries; documents of each."""
SCRIPTS: Mapping[str, tuple[str, Sequence[tuple[int, int]], tuple[int, int], bool]] = {
    "English": ("en", [(0x61, 0x7B)], (2, 10), True),
    "Russian": ("ru", [(0x430, 0x450)], (2, 12), True),
    "Arabic": ("ar", [(0x627, 0x63B), (0x641, 0x64B)], (2, 8), True),
    "Hindi": ("hi", [(0x915, 0x93A)], (2, 7), True),
    "Korean": ("ko", [(0xAC00, 0xB0B0)], (1, 5), True),
    "Chinese": ("zh", [(0x4E00, 0x5BAC)], (1, 4), False),
    "Japanese": ("ja", [(0x3041, 0x3094), (0x30A1, 0x30F4), (0x4E00, 0x53DC)], (1, 5), False),
    "Thai": ("th", [(0xE01, 0xE2F), (0xE30, 0xE34), (0xE40, 0xE45)], (2, 8), False),
}
"""Language, its letters, how many make a word, and whether spaces stand between words."""


def made(name: str, size: int) -> list[str]:
    """Passages of so many bytes together."""
    code, ranges, lengths, spaces = SCRIPTS[name]
    draw = np.random.default_rng(0)
    letters = np.array([chr(at) for first, stop in ranges for at in range(first, stop)])
    shares = 1 / np.arange(1, len(letters) + 1) if code in {"ko", "zh", "ja"} else np.ones(len(letters))
    words = ["".join(draw.choice(letters, draw.integers(*lengths), p=shares / shares.sum())) for _ in range(VOCABULARY)]
    cumulated = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    passages: list[str] = []
    while size > 0:
        drawn = [words[at] for at in np.searchsorted(cumulated, draw.random(PASSAGE // 2) * cumulated[-1])]
        commas = (draw.random(len(drawn)) < 0.1).tolist()
        text = " ".join(drawn) if spaces else "".join(w + "、" * c for w, c in zip(drawn, commas, strict=True))
        passages.append(text[:PASSAGE])
        size -= len(passages[-1].encode())
    return passages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=6)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    texts = {name: made(name, int(given.megabytes * 1e6)) for name in SCRIPTS}
    settings = {name: in_language(BM25Settings(), code) for name, (code, *_) in SCRIPTS.items()}
    indexing: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    searching: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    terms = dict.fromkeys(SCRIPTS, 0.0)
    for name, passages in texts.items():
        index_texts(passages[:100], settings[name], 1).search(["x"], K)  # what is made once in a process
    for _ in range(given.runs):
        for name, passages in texts.items():
            seconds, index = cpu_seconds(lambda name=name, passages=passages: index_texts(passages, settings[name], 1))
            indexing[name].append(seconds)
            asked = [passages[at % len(passages)][:QUERY] for at in range(QUERIES)]
            searching[name].append(cpu_seconds(lambda index=index, asked=asked: index.search(asked, K))[0])
            terms[name] = float(sum(shard.lengths.sum() for shard in index._shards))  # type: ignore[attr-defined]  # noqa: SLF001
    english = indexing["English"]
    rows = [["", "index", "of English's", "ns a term", f"{QUERIES:,} queries"]]
    for name, seconds in indexing.items():
        ratio = float(np.median(np.array(seconds) / np.array(english)))
        rows.append([
            name, spread(seconds), f"{ratio:.2f}", f"{np.median(seconds) / terms[name] * 1e9:.0f}", spread(searching[name]),
        ])  # fmt: skip
        if name != "English":
            compared(f"BM25, indexing {given.megabytes:g} MB: {name}", seconds, peer="hnhub, English", theirs=english,
                     unit="CPU s", goal=(0.5, 1))  # fmt: skip
    print(f"{machine()}; {given.megabytes:g} MB each\n{table(rows)}")


if __name__ == "__main__":
    main()
