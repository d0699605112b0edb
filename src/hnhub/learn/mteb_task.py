"""A judged split as a retrieval task of mteb, and the prompts that mteb gives a model on a task. Needs `hnhub[mteb]`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from hnhub.corpus.catalog import CATALOG
from hnhub.errors import MissingExtra, UsageError
from hnhub.learn.evaluate import Judged
from hnhub.text.language import measure

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

__all__ = ["prompts_of", "task_of"]


def task_of(judged: Judged, prompt: str | None = None) -> "AbsTaskRetrieval":
    """The task, with its documents and judged queries, which `mteb.evaluate` runs.

    Name, revision and prompt are mteb's own where the catalog knows its task, else the corpus's name and revision, and `prompt`:
    the instruction that models with instructions are given. Raises MissingExtra without mteb.
    """
    mteb = _mteb()
    import datasets
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata

    spec = CATALOG.get(judged.corpus)
    known = spec.mteb if spec else None
    if known and prompt is None:
        prompt = mteb.get_task(known.name).metadata.prompt

    class Task(AbsTaskRetrieval):  # type: ignore[misc]
        ignore_identical_ids = judged.drop_same_id
        metadata = TaskMetadata(
            name=known.name if known else judged.corpus,
            description=f"{judged.corpus}, {judged.split}, as hnhub reads it",
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            dataset={
                "path": known.repo if known else judged.corpus,
                "revision": known.revision if known else judged.revision,
            },
            eval_splits=[judged.split],
            eval_langs=[_language(judged.documents)],
            main_score="ndcg_at_10",
            prompt={"query": prompt} if isinstance(prompt, str) else prompt,
        )

        def load_data(self, *_: Any, **__: Any) -> None:
            documents = pl.scan_parquet(judged.documents).rename({"document_id": "id"}).select("id", "title", "text")
            queries = [{"id": one, "text": text} for one, text in zip(judged.query_ids, judged.texts, strict=True)]
            data = RetrievalSplitData(
                corpus=datasets.Dataset.from_polars(documents.collect()),
                queries=datasets.Dataset.from_list(queries),
                relevant_docs={query: dict(found) for query, found in judged.qrels.items()},
                top_ranked=None,
            )
            self.dataset = {"default": {judged.split: data}}
            self.data_loaded = True

    return Task()


def prompts_of(model: str, task: "TaskMetadata") -> tuple[str | None, str | None]:
    """What mteb puts before queries and before documents of a task, for a model's id or folder; None leaves the model's own.

    A model that mteb knows has them in mteb's own table: prompts by task, by kind of task or for all, or a template that takes the
    task's instruction. Else they are those saved with the model, chosen by the same order of names. Raises MissingExtra, UsageError.
    """
    mteb = _mteb()
    from mteb.models.abs_encoder import get_prompt_name
    from mteb.types import PromptType

    folder = Path(model).expanduser()
    if folder.is_dir():
        saved = folder / "config_sentence_transformers.json"
        settings = {"model_prompts": _prompts(saved) if saved.is_file() else None}
    else:
        try:
            settings = mteb.get_model_meta(model.partition("@")[0]).loader_kwargs
        except KeyError as error:
            raise UsageError(f"{model}: mteb knows no such model", do="give its prompts by --query-prefix") from error
    if settings.get("instruction_template"):
        instruct = _instructed(settings)
        query = instruct.get_task_instruction(task, PromptType.query)
        both = settings.get("apply_instruction_to_passages", True)
        return query, instruct.get_task_instruction(task, PromptType.document) if both else ""
    prompts = settings.get("model_prompts") or {}
    names = [get_prompt_name(prompts, task, kind) for kind in (PromptType.query, PromptType.document)]
    query, document = (prompts[name] if name else None for name in names)
    return query, document


def _prompts(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text(encoding="utf-8")).get("prompts") or {})


def _instructed(settings: Mapping[str, Any]) -> Any:
    """What chooses and fills an instruction, as mteb's wrapper of such models does."""
    from mteb.models.abs_encoder import AbsEncoder

    class Instructed(AbsEncoder):  # type: ignore[misc]
        instruction_template = settings["instruction_template"]
        prompts_dict = settings.get("prompts_dict")

        def encode(self, *_: Any, **__: Any) -> Any:
            """Abstract in mteb, whose evaluation calls it; here nothing is ever encoded by this."""
            raise NotImplementedError

    return Instructed()


def _language(documents: Path) -> str:
    """The documents' language as mteb writes it: ISO 639-3, and the script that it is mostly written in."""
    from mteb.languages.iso_mappings import _get_iso1_to_iso3, _get_iso3_to_default_script

    code = _get_iso1_to_iso3().get(measure(documents).code, "und")
    script = _get_iso3_to_default_script().get(code)
    return f"{code}-{script}" if script else code


def _mteb() -> Any:
    try:
        import mteb
    except ModuleNotFoundError as error:
        raise MissingExtra("mteb", extra="mteb") from error
    return mteb
