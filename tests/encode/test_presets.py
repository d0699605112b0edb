import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hnhub.encode import presets
from hnhub.encode.encoder import Encoder
from hnhub.encode.presets import PRESETS, choose_prompts, find_preset
from hnhub.errors import UsageError


def test_presets_are_found_by_name_and_checked():
    assert find_preset("intfloat/e5-base-v2").name == "e5"
    assert find_preset("thenlper/gte-base").name == "gte"
    assert find_preset("distilbert/distilbert-base-uncased").name == "bert"
    assert find_preset("intfloat/multilingual-e5-large-instruct").name == "plain"
    assert find_preset("something/else").name == "plain"
    with pytest.raises(UsageError, match="no preset 'e6'"):
        find_preset("a", "e6")


def test_prompts_given_win_over_the_models_own_and_those_over_the_presets():
    e5 = PRESETS["e5"]
    assert choose_prompts({"query": "", "document": ""}, e5) == ("query: ", "passage: ")
    assert choose_prompts({"query": "q> ", "passage": "p> "}, e5) == ("q> ", "p> ")
    assert choose_prompts({"query": "q> "}, e5) == ("q> ", "")
    assert choose_prompts({"query": "q> "}, e5, query="", document="d> ") == ("", "d> ")


def test_a_model_that_carries_no_prompts_gets_its_familys(minilm, tmp_path):
    """As `intfloat/e5-base-v2` is published: its card names the prefixes, its files don't."""
    folder = tmp_path / "e5-base-v2"
    shutil.copytree(minilm, folder)
    encoder, bare = Encoder(str(folder), device="cpu"), Encoder(minilm, device="cpu")
    assert (encoder.query_prompt, encoder.document_prompt) == ("query: ", "passage: ")
    np.testing.assert_allclose(encoder.encode_queries(["cells"]), bare.encode_queries(["query: cells"]), atol=1e-6)
    assert (bare.query_prompt, bare.document_prompt) == ("", "")
    assert Encoder(minilm, preset="e5", device="cpu").document_prompt == "passage: "

    own = Path(folder, "config_sentence_transformers.json")
    said = json.loads(own.read_text()) if own.exists() else {}
    own.write_text(json.dumps({**said, "prompts": {"query": "ask: ", "document": "text: "}}))
    assert Encoder(str(folder), device="cpu").query_prompt == "ask: "


def test_what_a_stage_is_known_by_covers_the_presets_prompts(minilm, tmp_path):
    folder = tmp_path / "e5-base-v2"
    shutil.copytree(minilm, folder)
    known, plain = presets.identity(str(folder)), presets.identity(minilm)
    assert known["revision"] == plain["revision"]
    assert known["preset_query_prompt"] == "query: "
    assert plain["preset_query_prompt"] == ""
