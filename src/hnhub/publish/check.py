"""Load a published dataset and compare it with a manifest: `python -m hnhub.publish.check REPO COMMIT MANIFEST`.

Run by `hnhub.publish.verify` in a process with an empty cache. The last line of its output is JSON: {"loads": n} (status
0), {"broken": why} (1) or {"failed": why} (3), when the Hub could not be read.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hnhub.errors import HnhubError, RuleBroken
from hnhub.publish.hub import connect, is_passing
from hnhub.publish.push_plan import MANIFEST
from hnhub.stages import file_sha256

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_published", "main", "splits_of"]

_BATCH = 1000
_TRIES = 4
T = TypeVar("T")


def splits_of(paths: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """The configs and splits that the paths of a dataset folder hold: data|exports/<config>/<split>-00000-of-00001.parquet."""
    found: dict[str, dict[str, list[str]]] = {}
    for path in sorted(paths):
        if match := re.fullmatch(r"(?:data|exports)/([^/]+)/(.+)-\d{5}-of-\d{5}\.parquet", path):
            found.setdefault(match[1], {}).setdefault(match[2], []).append(path)
    return found


def check_published(repo: str, commit: str, manifest: Path, cache: Path | None = None) -> int:
    """Compare a repository at a commit with a manifest; returns how many loads of a split were compared.

    Raises RuleBroken if something differs. `cache`: where `datasets` keeps what it loads, if not where it always does.
    """
    import datasets

    datasets.disable_progress_bars()
    shards = _check_files(repo, commit, manifest)
    files = json.loads(manifest.read_bytes())["files"]
    wanted = splits_of(files)
    configs = _try(lambda: datasets.get_dataset_config_names(repo, revision=commit))
    if set(configs) != set(wanted):
        raise RuleBroken(
            f"the card names the configs {sorted(configs)}, the files are {sorted(wanted)}", do="render it"
        )
    loads = 0
    for config, splits in wanted.items():
        for streaming in (False, True):
            how = f"{config}, {'streamed' if streaming else 'loaded'}"
            loaded = _try(
                lambda config=config, streaming=streaming: datasets.load_dataset(  # type: ignore[misc]
                    repo, config, revision=commit, streaming=streaming, cache_dir=str(cache) if cache else None
                )
            )
            if set(loaded) != set(splits):
                raise RuleBroken(f"{how}: splits {sorted(loaded)} instead of {sorted(splits)}", do="look at the card")
            for split, paths in splits.items():
                rows = sum(files[path]["rows"] for path in paths)
                local = [shards[path] for path in paths]
                _try(lambda: _check_rows(f"{how}, {split}", loaded[split], local, rows))  # noqa: B023
                loads += 1
    return loads


def _check_files(repo: str, commit: str, manifest: Path) -> dict[str, Path]:
    """Fetch every file that the manifest lists and compare; returns where they lie now."""
    from huggingface_hub import hf_hub_download

    found = {}
    listed = json.loads(manifest.read_bytes())["files"]
    for path, sha256 in [
        (MANIFEST, file_sha256(manifest)),
        *((path, entry["sha256"]) for path, entry in listed.items()),
    ]:
        local = Path(_try(lambda path=path: hf_hub_download(repo, path, repo_type="dataset", revision=commit)))  # type: ignore[misc]
        if file_sha256(local) != sha256:
            raise RuleBroken(f"{path}: its content is not what the manifest says", do="push again")
        found[path] = local
    return found


def _check_rows(what: str, loaded: Any, shards: list[Path], rows: int) -> None:
    """Compare a split, batch by batch and in order, with its shards; their content was checked before."""
    import pyarrow.parquet as pq

    schema = pq.read_schema(shards[0]).remove_metadata()
    features = loaded.features
    if features is None or features.arrow_schema.remove_metadata() != schema:
        raise RuleBroken(
            f"{what}: the columns are {features}, not those of the files", do="look at the card's dataset_info"
        )
    ours = _sliced(table for path in shards for table in pq.ParquetFile(path, pre_buffer=False).iter_batches(_BATCH))
    theirs = _sliced(loaded.with_format("arrow").iter(_BATCH))
    seen = 0
    for mine, other in zip(ours, theirs, strict=False):
        if not mine.equals(other.cast(mine.schema)):
            raise RuleBroken(f"{what}: rows {seen} to {seen + len(mine)} are not those of the files", do="push again")
        seen += len(mine)
    if seen != rows or next(ours, None) is not None or next(theirs, None) is not None:
        raise RuleBroken(f"{what}: more or fewer rows than the manifest's {rows}", do="push again")


def _sliced(tables: "Iterable[pa.Table | pa.RecordBatch]") -> "Iterator[pa.Table]":
    """The same rows in tables of exactly `_BATCH` rows, the last one shorter."""
    import pyarrow as pa

    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table if isinstance(table, pa.Table) else pa.Table.from_batches([table]))
        count += len(table)
        while count >= _BATCH:
            whole = pa.concat_tables(held)
            yield whole.slice(0, _BATCH).replace_schema_metadata(None)
            held, count = [whole.slice(_BATCH)], count - _BATCH
    if count:
        yield pa.concat_tables(held).replace_schema_metadata(None)


def _try(step: Callable[[], T]) -> T:
    """Try again after failures of the Hub; what `datasets` raises otherwise is a broken dataset."""
    for attempt in range(1, _TRIES + 1):
        try:
            return step()
        except HnhubError:
            raise
        except Exception as error:
            hub = _chain_passes(error)
            if not hub:
                raise RuleBroken(f"it does not load: {type(error).__name__}: {error}", do="repair it") from error
            if attempt == _TRIES:
                raise
            time.sleep(2.0 ** (attempt - 1))
    raise AssertionError("unreachable")


def _chain_passes(error: BaseException | None) -> bool:
    """Whether a failure of the Hub or the connection stands anywhere among an error's causes."""
    while error is not None:
        if is_passing(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def main(repo: str, commit: str, manifest: str) -> int:
    """Check, report, and return the exit status."""
    try:
        connect()
        report: dict[str, object] = {"loads": check_published(repo, commit, Path(manifest))}
    except RuleBroken as error:
        report = {"broken": error.what}
    except Exception as error:  # noqa: BLE001 the other process is told, in one line
        report = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(report))  # noqa: T201
    return 0 if "loads" in report else 1 if "broken" in report else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
