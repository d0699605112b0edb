"""`hnhub.mteb_task`: a corpus's judged split as a task that mteb runs."""

from typing import TYPE_CHECKING

from hnhub.api.inputs import CorpusLike, open_corpus
from hnhub.learn.evaluate import split_of

if TYPE_CHECKING:
    from mteb.abstasks.retrieval import AbsTaskRetrieval

__all__ = ["mteb_task"]


def mteb_task(
    corpus: CorpusLike, *, name: str | None = None, split: str = "test", prompt: str | None = None
) -> "AbsTaskRetrieval":
    """A corpus's judged split as a retrieval task of mteb: `mteb.evaluate(model, hnhub.mteb_task("adapted/held-out"))`.

    `corpus` is whatever `open_corpus` takes as a name or a path, or what it returned: the held-out set of an adaptation, a corpus
    of the catalog (which then bears mteb's name, revision and prompt), one of your own. `name` is what a folder's corpus is
    called. `prompt` is the instruction that models with instructions are given before a query.

    Raises MissingExtra without `hnhub[mteb]`, and as `open_corpus`.

    >>> import hnhub
    >>> corpus = hnhub.open_corpus(
    ...     {"d1": "Kettles boil water.", "d2": "Rivers carry water."},
    ...     name="water", queries={"q1": "what boils water?"}, qrels={"q1": ["d1"]},
    ... )
    >>> hnhub.mteb_task(corpus).metadata.name
    'water'
    """
    from hnhub.learn.mteb_task import task_of

    return task_of(split_of(open_corpus(corpus, name=name), split), prompt)
