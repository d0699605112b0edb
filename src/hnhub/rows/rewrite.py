"""A dataset's rows of one method written anew, query by query, with other decisions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from hnhub.records import Drop, Recipe
from hnhub.rows.assemble import to_triplets
from hnhub.rows.parquet import ShardWriter, write_parquet
from hnhub.rows.stats import split_files
from hnhub.schema import LEDGER, SCORED, triplet

__all__ = ["rewrite_method"]

_BATCH = 4096

Decide = Callable[[pl.DataFrame], tuple[pl.DataFrame, list[Drop]]]


def rewrite_method(
    source: Path, out: Path, method: str, *, recipe: Recipe, decide: Decide, undone: Iterable[str]
) -> dict[str, int]:
    """Write `<method>`, `<method>-scored` and the method's ledger into `out` from the dataset folder `source`.

    `decide` gives rows of SCORED other verdicts and positions. From the old ledger the reasons `undone` go, and
    `shortfall` of the queries that `decide` was asked about.
    Returns counts: queries, chosen, cut, shortfall.
    """
    seen = [pl.Series("query_id", [], pl.String)]
    totals = dict.fromkeys(("candidates", "chosen", "dropped", "shortfall"), 0)
    lost: list[pl.DataFrame] = []
    columns = triplet(recipe.negatives)
    for split, files in split_files(source, f"{method}-scored").items():
        with (
            ShardWriter(out / "data" / f"{method}-scored", split, SCORED) as scored,
            ShardWriter(out / "data" / method, split, columns) as ready,
        ):
            for frame in _whole_queries(files):
                rows, drops = decide(frame)
                seen.append(frame["query_id"].unique())
                triplets = to_triplets(
                    rows, recipe.negatives, keep_short=recipe.on_shortfall == "keep", positives=recipe.positives
                )
                scored.write(rows)
                ready.write(triplets.select(columns.names()))
                gone = rows.filter((pl.col("label") == 0) & pl.col("reason").is_in(list(undone)) & (pl.col("verdict") != "keep"))  # fmt: skip
                lost += [_ledger(method, gone), pl.DataFrame([asdict(one) for one in drops], schema=LEDGER)]
                totals["candidates"] += rows.filter(pl.col("label") == 0).height
                totals["chosen"] += rows["position"].drop_nulls().len()
                totals["dropped"] += gone.height
                totals["shortfall"] += len(drops)
    path = source / "ledger" / f"negatives-{method}.parquet"
    anew = pl.col("reason").is_in(list(undone))
    anew |= (pl.col("reason") == "shortfall") & pl.col("query_id").is_in(
        pl.concat(seen).implode()
    )  # else nothing was scored
    kept = pl.read_parquet(path).filter(~anew.fill_null(value=False)) if path.is_file() else None
    write_parquet(out / "ledger" / path.name, [*([] if kept is None else [kept]), *lost], LEDGER)
    return totals


def _ledger(method: str, gone: pl.DataFrame) -> pl.DataFrame:
    known = {"stage": pl.lit(f"negatives/{method}"), "method": pl.lit(method), "detail": pl.lit(None, pl.String)}
    return gone.select([known.get(name, pl.col(name)).alias(name) for name in LEDGER.names()])


def _whole_queries(files: Iterable[Path]) -> Iterator[pl.DataFrame]:
    rest = pl.DataFrame(schema=SCORED)
    for path in files:
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(_BATCH):
            # Diagonally: a dataset of before has no scores of further scorers.
            frame = pl.concat([rest, pl.DataFrame(batch)], how="diagonal").cast(SCORED)
            cut = (frame["query_id"] == frame["query_id"][-1]).arg_max() or 0
            if cut:
                yield frame[:cut]
            rest = frame[cut:]
    if len(rest):
        yield rest
