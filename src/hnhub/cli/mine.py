"""`hnhub mine`: hard negatives for pairs of one's own."""

import json
from pathlib import Path
from typing import Any, get_type_hints

import click

from hnhub.cli import complete
from hnhub.cli.help import Command
from hnhub.cli.options import BUILD_GROUPS, as_json, given, parameters
from hnhub.cli.telling import telling
from hnhub.records import MiningOptions

__all__ = ["mine"]

_DECISIONS = ("negatives", "seed", *get_type_hints(MiningOptions))
_NOT = ("query_styles", "model", "corpus_dir", "chunk_tokens", "chunk_overlap", "builder", "rights", "marks")
_OWN = [
    click.Argument(["pairs"], metavar="PAIRS", shell_complete=complete.paths),
    click.Option(
        ["--corpus"],
        metavar="PASSAGES",
        shell_complete=complete.corpora,
        help="Where negatives come from: a file, a folder, or a corpus's name.  [default: the positives themselves]",
    ),
    click.Option(
        ["--query"], metavar="COLUMN", help="The queries' column.  [default: by its usual name, else the first]"
    ),
    click.Option(
        ["--positive"], metavar="COLUMN", help="The positives' column.  [default: by its usual name, else the second]"
    ),
    click.Option(["--model"], metavar="ID", help="The LLM, as the endpoint names it, for llm, llm-pos and llm-graded."),
    click.Option(["--name"], help="What the dataset is called.  [default: the file's name]"),
]


@click.command(
    cls=Command,
    groups=BUILD_GROUPS,
    params=[*_OWN, *parameters(decisions=_DECISIONS, without=_NOT)],
    examples=(
        "hnhub mine pairs.jsonl --negatives 5",
        "hnhub mine pairs.csv --query question --positive answer --corpus passages.parquet --method bm25 --method dense",
        "hnhub mine org/pairs --method ce --out mined",
    ),
)
@as_json
def mine(as_json: bool, **options: Any) -> None:
    """Find hard negatives for PAIRS of a query and a positive: JSONL, CSV, TSV, Parquet, or a dataset on the Hub.

    Columns are found by their usual names (query, anchor, question; positive, answer, passage). Where none has one, the first
    is the query and the second the positive. Both must hold texts; what stands beside them stays.
    """
    import hnhub

    pairs, passages, name = options.pop("pairs"), options.pop("corpus"), options.pop("name")
    columns = {role: options.pop(role) for role in ("query", "positive")}
    _, _, asked = given({**options, "corpus": pairs})
    model, methods = asked.pop("model", None), asked.pop("methods", ("bm25",))
    called = name or (Path(pairs).name.split(".")[0] if Path(pairs).is_file() else pairs.rpartition("/")[2])
    with telling():
        mined = hnhub.mine(
            pairs, corpus=passages, method=methods, model=model, name=called, out=asked.pop("out"), **columns, **asked
        )
    if as_json:
        files = {method: str(path) for method, path in mined.files.items()}
        found = {"dataset": str(mined.run.folder), "files": files, "pairs": mined.pairs, "rows": mined.rows}
        click.echo(json.dumps({**found, "drops": mined.run.stats["stats"]["drops"]}, indent=1, ensure_ascii=False))
        return
    for method, path in mined.files.items():
        click.echo(f"{method:8} {path}")
    click.echo(f"dataset  {mined.run.folder}\n\n{mined.summary()}")
