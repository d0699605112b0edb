"""What a recipe asks a language model to do."""

from hnhub.records import JUDGES, METHODS, Recipe

__all__ = ["prompt_tasks", "query_tasks"]


def prompt_tasks(recipe: Recipe) -> tuple[str, ...]:
    """The tasks that this recipe asks a language model to do."""
    written = [METHODS[method].task for method in METHODS if method in recipe.methods]
    judge = JUDGES[recipe.judge].task if recipe.judge else None
    return tuple(task for task in (*query_tasks(recipe), *written, judge) if task)


def query_tasks(recipe: Recipe) -> tuple[str, ...]:
    """The tasks of the stage `queries`: `query`, or `query.<style>` for each style, and `query-judge`."""
    if recipe.queries_from != "llm":
        return ()
    styles = tuple(f"query.{style}" for style, _ in recipe.query_styles)
    return (*(styles or ("query",)), *(["query-judge"] if recipe.query_judge is not None else []))
