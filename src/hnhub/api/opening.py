"""What a build works with, opened as the options say and closed after it: the engine and the language model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub.engine.local import Local
from hnhub.errors import UsageError
from hnhub.home import home

if TYPE_CHECKING:
    from hnhub.api.build import BuildOptions
    from hnhub.engine.local import Engine
    from hnhub.llm.journal import Failed, Stored
    from hnhub.llm.prices import PriceList
    from hnhub.records import Recipe

__all__ = ["opened_engine", "opened_models", "price_list"]

_RAY_ONLY = ("ray_address", "gpus_per_worker", "memory_per_worker")


@contextmanager
def opened_engine(options: "BuildOptions", folder: Path) -> "Iterator[Engine]":
    """Yield what makes the parts of stages, in `folder`: the process itself, or a Ray cluster."""
    if options.get("engine", "local") == "local":
        if given := next((name for name in _RAY_ONLY if options.get(name) is not None), None):
            option = given.replace("_", "-")
            raise UsageError(f"--{option} is for Ray", do="add --engine ray, or leave it out")
        yield Local(options.get("workers"))
        return
    from hnhub.engine.ray_cluster import ray_engine

    memory = options.get("memory_per_worker")
    with ray_engine(
        address=options.get("ray_address"),
        workers=options.get("workers"),
        gpus_per_worker=options.get("gpus_per_worker"),
        memory=None if memory is None else round(memory * 1e9),
        folder=folder,
    ) as engine:
        yield engine


def price_list(options: "BuildOptions") -> "PriceList | None":
    """The prices that are given: of every model, or by a file of them. Raises UsageError for both, InputError for a bad file."""
    from hnhub.llm.budget import Prices
    from hnhub.llm.prices import PriceList, read_prices

    price, file = options.get("price"), options.get("prices")
    if price is not None and file is not None:
        raise UsageError("prices are given twice", do="give --price or --prices")
    if file is not None:
        return read_prices(Path(file).expanduser())
    return PriceList({}, others=Prices(*price)) if price is not None else None


@contextmanager
def opened_models(
    recipe: "Recipe",
    options: "BuildOptions",
    engine: "Engine",
    *,
    known: "Callable[[bytes], Stored | Failed | None] | None" = None,
) -> Iterator[tuple[Any, ...]]:
    """The recipe's language model and its further generators, under one budget; on Ray in a process that every worker asks.

    `known` gives outcomes of requests, by their keys, that are taken where the journal has no answer.
    """
    from hnhub.llm.budget import Budget
    from hnhub.llm.open import DEADLINE, open_model
    from hnhub.llm.rate import Rate

    template, prices = options.get("chat_template"), price_list(options)
    if options.get("max_cost") is not None and prices is None:
        raise UsageError(
            "--max-cost needs --price or --prices",
            do="add the price of a million tokens read and of a million written",
        )
    if options.get("batch_api") and not isinstance(engine, Local):
        raise UsageError("a batch is asked for only here", do="use engine local, or leave batch_api out")
    if options.get("batch_api") and (options.get("requests_per_minute") or options.get("tokens_per_minute")):
        raise UsageError("a batch is not asked by the minute", do="leave the caps a minute out, or --batch-api")
    endpoints = options.get("endpoint") or ("local",)
    budget = Budget(options.get("max_tokens"), options.get("max_cost"))

    def opening(name: str | None) -> Any:
        return partial(
            open_model,
            (endpoints,) if isinstance(endpoints, str) else tuple(endpoints),
            api=options.get("api", "auto"),
            model=name,
            thinking=recipe.thinking,
            extra_body=recipe.extra_body,
            chat_template=Path(template).read_text(encoding="utf-8") if template else None,
            journal=home() / "journal.sqlite",
            budget=budget,
            prices=prices,
            rate=Rate(options.get("requests_per_minute"), options.get("tokens_per_minute")),
            batch=options.get("batch_api", False),
            deadline=options.get("deadline") or DEADLINE,
            known=known,
        )

    if isinstance(engine, Local):
        with ExitStack() as stack:
            yield tuple(stack.enter_context(opening(name)()) for name in (recipe.model, *recipe.generators))
        return
    if recipe.generators:
        raise UsageError("several models write queries only here", do="use engine local, or name one model")
    from hnhub.engine.ray_cluster import RayEngine
    from hnhub.engine.ray_model import RayModel

    assert isinstance(engine, RayEngine)
    asked = RayModel(opening(recipe.model), engine.workers)
    try:
        yield (asked,)
    finally:
        asked.close()
