"""A trained model's card, from what training recorded: the dataset, its revision and config, and what was measured."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["render_model_card"]

_TEXT = """---
library_name: sentence-transformers
pipeline_tag: {task}
{yaml}tags:
- sentence-transformers
- {tag}
- hard-negatives
---

# {base_model}, fine-tuned on {dataset}, config `{config}`

| | |
|---|---|
| base model | `{base_model}`, revision `{base_revision}` |
| dataset | `{dataset}`, revision `{revision}`, config `{config}` |
| rows | {trained_rows:,} trained on, {held_out_rows:,} held out, {dropped_rows:,} incomplete and left out |
| steps | {steps:,} on {processes} process(es) |
| loss | {loss} |
{leaks}
## Use

{use}

## Measured

{measured}
## Settings

```json
{settings}
```

Trained by `hnhub train`.
"""

_BI_ENCODER = """```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/or/id/of/this/model")
queries = model.encode_query(["a question"])
passages = model.encode_document(["a passage"])
```

The prefixes that it was trained with are saved with it: {prefixes}."""

_CROSS_ENCODER = """```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("path/or/id/of/this/model")
scores = model.predict([("a question", "a passage")])
```

`hnhub evaluate bm25 --rerank path/or/id/of/this/model` orders what BM25 finds by it."""


def render_model_card(facts: Mapping[str, Any]) -> str:
    """README.md of a model folder, from the facts that `hnhub.learn.train.train` returns; nothing in it is not measured."""
    settings = facts["settings"]
    reranker = settings["kind"] == "cross-encoder"
    prefixes = f"`{json.dumps(settings['query_prefix'])}` and `{json.dumps(settings['document_prefix'])}`"
    on_hub = [("datasets", facts["dataset"]), ("base_model", facts["base_model"])]
    values = {
        **facts,
        "yaml": "".join(f"{key}:\n- {name}\n" for key, name in on_hub if "/" in name),
        "loss": _losses(facts["history"]),
        "leaks": "".join(
            f"| leak check against {check['corpus']}, {check['split']} | {_leaks(check)} |\n"
            for check in facts.get("leaks", [])
        ),
        "task": "text-ranking" if reranker else "sentence-similarity",
        "tag": "reranker" if reranker else "dense-retrieval",
        "use": _CROSS_ENCODER if reranker else _BI_ENCODER.format(prefixes=prefixes),
        "measured": _measured(facts["held_out"], "its own row's" if reranker else "all held-out"),
        "settings": json.dumps(settings, indent=1, sort_keys=True, ensure_ascii=False),
    }
    return _TEXT.format(**values)


def _losses(history: list[dict[str, Any]]) -> str:
    losses = [entry["loss"] for entry in history if "loss" in entry]
    return (
        f"{losses[0]:.4f} at the first step, {losses[-1]:.4f} at the last that was logged" if losses else "not logged"
    )


def _leaks(check: Mapping[str, Any]) -> str:
    return (
        f"{check['queries']} test queries among the training queries{' (left out)' if check['queries'] else ''}; "
        f"{check['positives']} rows with a passage that is relevant to a test query{' (left out)' if check['decontaminated'] else ''}, "
        f"which touches {check['contaminated_queries']} test queries"
    )


def _measured(held_out: Mapping[str, Mapping[str, float] | None], pool: str) -> str:
    before, after = held_out["before"], held_out["after"]
    if before is None or after is None:
        return "Nothing was held out, so nothing was measured here.\n"
    rows = "".join(f"| {name} | {before[name]:.4f} | {after[name]:.4f} |\n" for name in before)
    return (
        f"On held-out rows, each query's positive to be found among {pool} passages (a small pool, so these figures\n"
        f"say nothing about a whole corpus):\n\n| | before | after |\n|---|---|---|\n{rows}"
    )
