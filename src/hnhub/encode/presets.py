"""How families of bi-encoders want to be used, as data. Anything else is set by flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch

from hnhub.encode.models import held, resolve
from hnhub.errors import UsageError

__all__ = ["PRESETS", "Preset", "choose_prompts", "find_preset", "identity"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a model family was trained with. None leaves what the model's own files say."""

    name: str
    models: tuple[str, ...] = ()
    """Patterns of Hub ids or folder names, in lower case."""
    query_prefix: str = ""
    document_prefix: str = ""
    pooling: str | None = None
    """`mean` or `cls`."""
    normalise: bool | None = None
    temperature: float = 0.05
    """Of the contrastive loss that it was trained with; similarities are divided by it."""
    max_length: int | None = None
    source: str
    """Where these values are published."""


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="e5",
            models=("*e5-small*", "*e5-base*", "*e5-large*"),
            query_prefix="query: ",
            document_prefix="passage: ",
            pooling="mean",
            normalise=True,
            temperature=0.01,
            max_length=512,
            source="Wang et al. 2022 (arXiv 2212.03533) and the model cards of intfloat/e5-*",
        ),
        Preset(
            name="gte",
            models=("*gte-small*", "*gte-base*", "*gte-large*"),
            pooling="mean",
            normalise=True,
            temperature=0.01,
            max_length=512,
            source="Li et al. 2023 (arXiv 2308.03281) and the model cards of thenlper/gte-*",
        ),
        Preset(
            name="bert",
            models=("*bert-base*", "*distilbert*", "*minilm-l*-h384*", "*mpnet-base"),
            pooling="mean",
            normalise=True,
            temperature=0.05,
            max_length=256,
            source="Reimers and Gurevych 2019 (arXiv 1908.10084); sentence-transformers' default scale of 20",
        ),
        Preset(name="plain", source="the model's own files; sentence-transformers' default scale of 20"),
    )
}


def find_preset(model: str, name: str | None = None) -> Preset:
    """The preset of that name, else the first whose patterns match the model's id, else `plain`. Raises UsageError.

    An object (`encode.models.hold`) is used as it is: `plain`, unless a preset is named.
    """
    if name is not None and name not in PRESETS:
        raise UsageError(f"no preset {name!r}", do=f"use one of: {', '.join(PRESETS)}")
    if name is not None:
        return PRESETS[name]
    # Instruction-tuned relatives share the name, not the prefixes; the later GTE models are pooled by CLS.
    if held(model) is not None or "instruct" in model.lower() or "-v1.5" in model.lower():
        return PRESETS["plain"]
    matches = (p for p in PRESETS.values() if any(fnmatch(model.lower(), pattern) for pattern in p.models))
    return next(matches, PRESETS["plain"])


def choose_prompts(
    own: Mapping[str, str], preset: Preset, *, query: str | None = None, document: str | None = None
) -> tuple[str, str]:
    """The prompts for queries and for documents: those given, else the model's own, else (if it has neither) the preset's."""
    named = next((own[name] for name in ("document", "passage", "corpus") if own.get(name)), "")
    found = (own.get("query", ""), named)
    if not any(found):
        found = (preset.query_prefix, preset.document_prefix)
    return found[0] if query is None else query, found[1] if document is None else document


def identity(model: str) -> dict[str, str]:
    """What a model's vectors depend on besides texts and flags, without loading it: for fingerprints.

    Its own prompts come with its revision; the preset's, which stand in where it has none, are data of ours. Raises as
    `encode.models.resolve`.
    """
    ref = resolve(model)
    known = find_preset(ref.name if held(model) is None else model)
    return {
        **ref.identity(),
        "preset_query_prompt": known.query_prefix,
        "preset_document_prompt": known.document_prefix,
    }
