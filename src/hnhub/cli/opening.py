"""What a build works with, opened as the options say and closed after it: the engine and the language model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.errors import UsageError

if TYPE_CHECKING:
    from hnhub.engine.local import Engine
    from hnhub.records import Recipe

__all__ = ["opened_engine", "opened_model"]

_RAY_ONLY = ("ray_address", "gpus_per_worker", "memory_per_worker")


@contextmanager
def opened_engine(options: Mapping[str, Any]) -> "Iterator[Engine]":
    """Yield what makes the parts of stages: the process itself, or a Ray cluster."""
    from hnhub.engine.local import Local

    if options["engine"] == "local":
        if given := next((name for name in _RAY_ONLY if options[name] is not None), None):
            raise UsageError(f"--{given.replace('_', '-')} is for Ray", do="add --engine ray, or leave it out")
        yield Local(options["workers"])
        return
    from hnhub.engine.ray_cluster import ray_engine

    memory = options["memory_per_worker"]
    with ray_engine(
        address=options["ray_address"],
        workers=options["workers"],
        gpus_per_worker=options["gpus_per_worker"],
        memory=None if memory is None else round(memory * 1e9),
    ) as engine:
        yield engine


@contextmanager
def opened_model(recipe: "Recipe", options: Mapping[str, Any], engine: "Engine") -> Iterator[Any]:
    """The language model; on Ray in a process of its own that every worker asks."""
    from hnhub.home import home
    from hnhub.llm.budget import Prices
    from hnhub.llm.client import open_model

    if options["max_cost"] is not None and options["price"] is None:
        raise UsageError("--max-cost needs prices", do="add --price IN OUT, per million tokens")
    template: Path | None = options["chat_template"]
    opening = partial(
        open_model,
        options["endpoints"] or ("local",),
        api=options["api"],
        model=recipe.model,
        chat_template=template.read_text(encoding="utf-8") if template else None,
        journal=home() / "journal.sqlite",
        max_tokens=options["max_tokens"],
        max_cost=options["max_cost"],
        prices=Prices(*options["price"]) if options["price"] else None,
    )
    if options["engine"] == "local":
        with opening() as model:
            yield model
        return
    from hnhub.engine.ray_cluster import RayEngine
    from hnhub.engine.ray_model import RayModel

    assert isinstance(engine, RayEngine)
    asked = RayModel(opening, engine.workers)
    try:
        yield asked
    finally:
        asked.close()
