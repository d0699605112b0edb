"""A corpus's language, from a sample of it."""

from pathlib import Path

import polars as pl
import pytest

from hnhub.schema import DOCUMENTS
from hnhub.text.language import Language, measure

SAID = {
    "en": "Zinc deficiency slows the growth of children, and trials in nine countries found that supplements help.",
    "de": "Zinkmangel verlangsamt das Wachstum von Kindern, und Versuche in neun Ländern ergaben, dass Zusätze helfen.",
    "ar": "يؤدي نقص الزنك إلى إبطاء نمو الأطفال، ووجدت التجارب في تسعة بلدان أن المكملات تساعد.",
    "th": "การขาดสังกะสีทำให้เด็กเติบโตช้า และการทดลองในเก้าประเทศพบว่าอาหารเสริมช่วยได้",
    "zh": "缺锌会减缓儿童的生长，在九个国家进行的试验发现补充剂有帮助。",
    "ja": "亜鉛不足は子供の成長を遅らせ、九か国の試験で補給が役立つことが分かった。",
}


def corpus(path: Path, texts: list[str]) -> Path:
    rows = [(f"d{i}", "", text) for i, text in enumerate(texts)]
    pl.DataFrame(rows, schema=DOCUMENTS, orient="row").write_parquet(path)
    return path


@pytest.mark.parametrize("code", SAID)
def test_each_language_is_known(tmp_path: Path, code: str) -> None:
    found = measure(corpus(tmp_path / "documents.parquet", [f"{SAID[code]} {n}." for n in range(500)]))
    assert found == Language(code, 1.0, 200)


def test_some_documents_in_another_language_change_nothing(tmp_path: Path) -> None:
    texts = [SAID["de"], SAID["de"], SAID["de"], SAID["en"]] * 30
    found = measure(corpus(tmp_path / "documents.parquet", texts))
    assert found == Language("de", 0.75, 120)


def test_a_few_words_are_english(tmp_path: Path) -> None:
    assert measure(corpus(tmp_path / "documents.parquet", ["Kettle 1", "Kettle 2"])).code == "en"
    assert measure(corpus(tmp_path / "none.parquet", [])).code == "en"
