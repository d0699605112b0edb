"""What is no text is told by its reason, and what is one passes, in every script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnhub.text.sound import REASONS, unsound

LOOP = "The result is the method that is passed to the method that is passed to the method that is passed to the method that is passed."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LOOP, "repetitive"),
        ("缺锌会减缓生长，" * 12, "repetitive"),
        ("การขาดสังกะสี" * 12, "repetitive"),
        ("As an AI language model, I have no opinion on zinc.", "refusal"),
        ("I'm sorry, but I can't write about that.", "refusal"),
        ("Here is a passage that is on the topic: Zinc is mined in Peru.", "about_task"),
        ("Sure! Here's one: zinc is mined in Peru.", "about_task"),
        ("Passage: Zinc is mined in Peru and in Australia.", "about_task"),
        ("Zinc is mined in Peru.<|im_end|>", "template"),
        ("Zinc [/INST] is mined in {{query}}.", "template"),
        ('{"negative": "Zinc is mined"', "template"),
        ("Zinkmangel verlangsamt das Wachstum von Kindern, und Versuche in neun Ländern ergaben, dass es hilft.", "other_language"),
        ("يؤدي نقص الزنك إلى إبطاء نمو الأطفال، ووجدت التجارب أن المكملات تساعد.", "other_language"),
        ("Zinc is mined in Peru, in Australia and (", "cut_off"),
        ("Zinc: " + " ".join(f"{n}th of {n * 7919}" for n in range(16)), "cut_off"),
        ("Zinc deficiency slows the growth of children; supplements bring it back, said nine trials.", None),
        ("As an aid to navigation, the lamp was lit. I am sorry for the swifts, he said.", None),
        ("zinc Guillain-Barré syndrome", None),
        ("Here is where the swifts nest: under tiles.", None),
        ("", None),
    ],
)  # fmt: skip
def test_reasons(text: str, reason: str | None) -> None:
    assert unsound(text, language="en" if reason != "repetitive" else None, longest=180) == reason


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "Zinkmangel verlangsamt das Wachstum von Kindern, und Versuche in neun Ländern ergaben, dass es hilft."),
        ("ar", "يؤدي نقص الزنك إلى إبطاء نمو الأطفال، ووجدت التجارب أن المكملات تساعد."),
        ("th", "การขาดสังกะสีทำให้เด็กเติบโตช้า และการทดลองในเก้าประเทศพบว่าอาหารเสริมช่วยได้"),
        ("zh", "缺锌会减缓儿童的生长，在九个国家进行的试验发现补充剂有帮助。"),
        ("ja", "亜鉛不足は子供の成長を遅らせ、九か国の試験で補給が役立つことが分かった。"),
    ],
)
def test_a_sound_text_of_the_language_passes(code: str, text: str) -> None:
    assert unsound(text, language=code) is None
    assert unsound(text, language="en") == "other_language"


@given(st.text(max_size=400), st.sampled_from([None, "en", "zz"]))
def test_any_text_has_a_known_reason_or_none(text: str, language: str | None) -> None:
    assert unsound(text, language=language) in {None, *REASONS}
