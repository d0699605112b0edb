"""A published dataset as training data: loaded as a stranger would, by `datasets.load_dataset`."""

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from hnhub.corpus.hub import newest_revision
from hnhub.errors import InputError, ServiceError, UsageError
from hnhub.home import home
from hnhub.learn.scored_rows import scored_rows
from hnhub.progress import no_bars
from hnhub.stages import canonical_json, file_sha256, fingerprint
from hnhub.text.paths import check_hub_name

if TYPE_CHECKING:
    import datasets

__all__ = ["TrainingData", "load_training_data", "without_rows"]

log = logging.getLogger(__name__)

_DEV_SPLITS = ("dev", "validation")


@dataclass(frozen=True)
class TrainingData:
    """Rows to train on, with the columns query, positive, negative_1..n, and for distillation label.

    A label has n + 1 scores, null where there is none; a negative is null where a query has fewer scored passages.
    """

    name: str
    """The Hub id, or for a folder the corpus's name: never a path of this machine."""
    revision: str
    """A commit, or a hash of the folder's files."""
    config: str
    corpus: str | None
    """As the dataset's manifest names it, if it has one."""
    rows: pl.DataFrame
    held_out: pl.DataFrame
    """The dataset's dev split, or rows carved out of train; never its test split. May be empty."""
    dropped: int
    """Rows left out because a negative, or for distillation a score, is missing."""

    def identity(self) -> dict[str, Any]:
        """For fingerprints: the dataset and the very rows that are used."""
        used = [_hash(self.rows), _hash(self.held_out)]
        return {"dataset": self.name, "revision": self.revision, "config": self.config, "rows": used}


def load_training_data(
    dataset: str,
    config: str,
    *,
    revision: str | None = None,
    distil: bool = False,
    teacher: str = "score",
    candidates: int | None = None,
    held_out_share: float = 0.05,
    limit: int | None = None,
    seed: int = 0,
) -> TrainingData:
    """Load a config of a Hub repository (at `revision`) or of a dataset folder.

    With `distil` rows are made of the `<config>-scored` config, with its column `teacher` as labels (`hnhub.learn.scored_rows`):
    `candidates` passages of each query, or its chosen negatives. Where the dataset has no dev
    split, `held_out_share` of the queries are carved out of train. `limit` draws that many training rows. Both draws
    depend on `seed` and the query alone. Raises UsageError for a limit or a share that leaves nothing, InputError if the dataset or its train split can't be had, ServiceError if
    the Hub doesn't answer.
    """
    if (limit is not None and limit < 1) or not 0 <= held_out_share < 1:
        raise UsageError(
            f"{limit} rows to train on and a share of {held_out_share:g} held out leave nothing",
            do="give 1 row or more, and a share from 0 to below 1",
        )
    folder = Path(dataset).expanduser()
    wanted = f"{config}-scored" if distil else config
    if folder.is_dir():
        found = _folder_identity(folder)
        # datasets (5.2) names a folder's cache by its last name and its card, so two builds can share one: keep them apart.
        splits = _load(str(folder), wanted, None, home() / "datasets" / found.revision)
    else:
        check_hub_name(dataset, do="give a dataset's folder, or its id on the Hub")
        found = _hub_identity(dataset, revision)
        splits = _load(dataset, wanted, found.revision, None)
    if "train" not in splits:
        raise InputError(
            f"{dataset}: config {config} has no train split", do="build one; test splits are not trained on"
        )
    made = partial(_rows, distil=distil, teacher=teacher, candidates=candidates, seed=seed)
    train, dropped = made(splits["train"])
    dev = next((made(splits[name])[0] for name in _DEV_SPLITS if name in splits), None)
    if dropped:
        log.warning("%s: %d rows of %s lack a negative or a score and are not trained on", dataset, dropped, config)
    order = train.with_columns(_draw(train["query"], seed).alias("draw")).with_row_index("row")
    if dev is None:
        queries = order.select("query", "draw").unique().sort("draw")
        chosen = queries.head(round(held_out_share * queries.height))["query"].to_list()
        dev = train.filter(pl.col("query").is_in(chosen))
        order = order.filter(~pl.col("query").is_in(chosen))
    # The draw that carved out held-out rows took the lowest values, so these are as random.
    order = order.sort("draw", "row").head(limit or order.height).sort("row")
    if order.is_empty():
        raise InputError(f"{dataset}: config {config} leaves no row to train on", do="build more rows")
    rows = order.drop("row", "draw")
    return TrainingData(found.name, found.revision, config, found.corpus, rows, dev, dropped)


def without_rows(rows: pl.DataFrame, numbers: Sequence[int]) -> pl.DataFrame:
    """The rows but those at these positions."""
    return rows.with_row_index("row").filter(~pl.col("row").is_in(list(numbers))).drop("row")


def _load(dataset: str, config: str, commit: str | None, cache: Path | None) -> "datasets.DatasetDict":
    import datasets

    try:
        with no_bars():
            splits = datasets.load_dataset(dataset, config, revision=commit, cache_dir=str(cache) if cache else None)
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        first = str(error).strip().split("\n")[0]
        if _is_outage(error):
            raise ServiceError(
                f"{dataset}: config {config!r} can't be fetched from the Hub ({first})",
                do="try again, or give a dataset folder",
            ) from error
        raise InputError(
            f"{dataset}: config {config!r} can't be loaded ({first})",
            do="give a dataset folder, or a Hub id and a config of it",
        ) from error
    # Where the Hub fails, datasets falls back on whatever commit of the repository it has kept.
    if commit and any(_commit(split) not in (None, commit) for split in splits.values()):
        raise ServiceError(f"{dataset}: can't be fetched from the Hub at {commit[:12]}", do="try again")
    return splits


def _is_outage(error: BaseException | None) -> bool:
    """Whether a connection or the Hub failed, according to an error of `datasets` or what caused it."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    outage = (ConnectionError, TimeoutError, LocalEntryNotFoundError, HfHubHTTPError)
    while error is not None:
        # The client's HTTP library differs between its versions.
        library = type(error).__module__.partition(".")[0].rstrip("0123456789")
        if isinstance(error, outage) or library in ("httpx", "httpcore", "requests"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _rows(
    split: "datasets.Dataset", *, distil: bool, teacher: str, candidates: int | None, seed: int
) -> tuple[pl.DataFrame, int]:
    """Complete training rows in the split's order, and how many are not complete."""
    frame = pl.from_arrow(split.data.table)
    assert isinstance(frame, pl.DataFrame)
    if distil:
        if teacher not in frame.columns:
            raise InputError(
                f"the scored config has no {teacher}", do="build it with that method, or leave out --teacher"
            )
        return scored_rows(frame.with_columns(pl.col(teacher).alias("score")), candidates, seed)
    columns = ["query", "positive", *sorted((c for c in frame.columns if c.startswith("negative_")), key=_number)]
    if missing := [column for column in columns if column not in frame.columns]:
        raise InputError(
            f"no column {missing[0]!r} among {', '.join(frame.columns)}", do="give a training-ready config"
        )
    full = frame.select(pl.col(columns).cast(pl.String)).drop_nulls()
    return full, frame.height - full.height


def _number(column: str) -> int:
    return int(column.removeprefix("negative_"))


def _hash(frame: pl.DataFrame) -> str:
    total = hashlib.sha256()
    for part in frame.iter_slices(4096):
        total.update(canonical_json(part.rows()).encode())
    return total.hexdigest()


def _draw(queries: pl.Series, seed: int) -> pl.Series:
    return pl.Series([hashlib.sha256(f"{seed}\0{query}".encode()).hexdigest() for query in queries], dtype=pl.String)


class _Identity(NamedTuple):
    name: str
    revision: str
    corpus: str | None


def _folder_identity(folder: Path) -> _Identity:
    manifest = folder / "manifest.json"
    corpus = _corpus(manifest) if manifest.is_file() else None
    files = {
        path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(folder.glob("data/**/*.parquet"))
    }
    return _Identity(corpus or folder.resolve().name, f"files-{fingerprint(files)[:16]}", corpus)


def _hub_identity(repo: str, revision: str | None) -> _Identity:
    """The commit that a revision stands at, and the corpus that the manifest there names, if there is one."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    instead = "check the id, the revision and HF_TOKEN, or give a dataset folder"
    try:
        commit = newest_revision(repo, revision)
        path = hf_hub_download(repo, "manifest.json", repo_type="dataset", revision=commit)
    except InputError as error:
        raise InputError(error.what, do=instead) from error
    except ServiceError as error:
        raise ServiceError(error.what, do="try again, or give a dataset folder") from error
    except EntryNotFoundError as error:
        if not isinstance(error, LocalEntryNotFoundError):
            return _Identity(repo, commit, None)
        raise ServiceError(f"{repo}: the Hub does not answer", do="try again, or give a dataset folder") from error
    except OSError as error:  # every error of the client but those above
        raise ServiceError(f"{repo}: can't be fetched from the Hub ({error})", do=instead) from error
    return _Identity(repo, commit, _corpus(Path(path)))


def _corpus(manifest: Path) -> str | None:
    """The corpus that a manifest names; None of one that is another program's."""
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{manifest}: can't be read as JSON ({error})", do="give a dataset as hnhub wrote it"
        ) from error
    named = found.get("corpus") if isinstance(found, dict) else None
    return named if isinstance(named, str) else None


def _commit(split: "datasets.Dataset") -> str | None:
    """The commit that was loaded: datasets keeps the addresses of the files, which name it."""
    found = re.search(r"@([0-9a-f]{40})/", " ".join(split.info.download_checksums or {}))
    return found[1] if found else None
