"""Rules about the files: manifest, card, Croissant file, statistics and Parquet have to say the same."""

import re
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.rows.assemble import HELD_OUT
from hnhub.rows.folder import Folder, Found
from hnhub.schema import LEDGER, arrow_schema
from hnhub.stages import file_sha256

__all__ = [
    "card",
    "columns",
    "croissant",
    "filled",
    "hashes",
    "layout",
    "ledger",
    "listed",
    "manifest",
    "shards",
    "statistics",
]

_MANIFEST = "manifest.json"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.parquet")


def manifest(folder: Folder) -> Found:
    """manifest.json is there and names version, corpus, recipe, files and fingerprint."""
    if not (folder.path / _MANIFEST).is_file():
        yield _MANIFEST, None, "is missing or no JSON object"
        return
    for key, kind in (("hnhub", str), ("corpus", str), ("fingerprint", str), ("files", dict), ("recipe", dict)):
        if not isinstance(folder.manifest.get(key), kind):
            yield _MANIFEST, None, f"has no {key!r} ({kind.__name__})"


def listed(folder: Folder) -> Found:
    """Every file is in the manifest, and every file of the manifest is there."""
    names = {folder.name(path) for path in folder.path.rglob("*") if path.is_file() and not _hidden(folder.name(path))}
    known = set(folder.manifest.get("files", {}))
    for name in sorted(names - known - {_MANIFEST}):
        yield name, None, "is not in the manifest"
    for name in sorted(known - names):
        yield name, None, "is in the manifest but not there"


def hashes(folder: Folder) -> Found:
    """Size, SHA-256 and rows of every file are those of the manifest."""
    for name, entry in sorted(folder.manifest.get("files", {}).items()):
        path = folder.path / name
        if not path.is_file():
            continue
        if path.stat().st_size != entry.get("size") or file_sha256(path) != entry.get("sha256"):
            yield name, None, "is not the file that the manifest describes (size or sha256 differs)"
        elif path.suffix == ".parquet" and pq.read_metadata(path).num_rows != entry.get("rows"):
            yield name, None, f"has {pq.read_metadata(path).num_rows} rows, the manifest says {entry.get('rows')}"


def layout(folder: Folder) -> Found:
    """There are `queries` and, for each method of the recipe, its configs, with the splits of `queries`."""
    methods = folder.recipe.get("methods", [])
    wanted = ["queries", *(f"{method}-scored" for method in methods)]
    wanted += methods if folder.publishes_text else []
    for config in wanted:
        missing = sorted(set(folder.files.get("queries", {"train": []})) - set(folder.files.get(config, {})))
        yield from ((f"data/{config}", None, f"has no split {split!r}") for split in missing)
    data = folder.path / "data"
    for path in sorted(data.iterdir()) if data.is_dir() else []:
        if path.name not in wanted:
            yield f"data/{path.name}", None, "is no config of this recipe"


def filled(folder: Folder) -> Found:
    """Every split of every config has a row: `load_dataset` opens no config with an empty one."""
    for config, splits in folder.files.items():
        for split, paths in splits.items():
            if not any(pq.read_metadata(path).num_rows for path in paths if _arrow_schema(path) is not None):
                yield (
                    f"data/{config}",
                    None,
                    f"has no row in split {split!r}; leave the method or the split out of the build",
                )


def shards(folder: Folder) -> Found:
    """Shards are named <split>-00000-of-0000N.parquet, and none of the N is missing."""
    for config in folder.files:
        numbers: dict[tuple[str, int], set[int]] = {}
        for path in sorted((folder.path / "data" / config).iterdir()):
            if match := _SHARD.fullmatch(path.name):
                numbers.setdefault((match[1], int(match[3])), set()).add(int(match[2]))
            else:
                yield folder.name(path), None, "is not named <split>-00000-of-0000N.parquet"
        for (split, count), found in numbers.items():
            if found != set(range(count)):
                yield f"data/{config}", None, f"split {split!r} has shards {sorted(found)} of {count}"


def columns(folder: Folder) -> Found:
    """Every Parquet file has exactly its config's columns, in order, with their types."""
    for config, splits in folder.files.items():
        expected = arrow_schema(folder.schema(config))
        for path in (path for paths in splits.values() for path in paths):
            found = _arrow_schema(path)
            if found is None:
                yield folder.name(path), None, "can't be read as Parquet"
            elif not found.equals(expected):
                yield folder.name(path), None, f"has the columns {_described(found)}, not {_described(expected)}"


def ledger(folder: Folder) -> Found:
    """Every line of the ledger has stage and reason, and every query without a row in a method has a line."""
    told: dict[str, set[str]] = {method: set() for method in folder.methods}
    for path in sorted((folder.path / "ledger").glob("*.parquet")):
        expected = HELD_OUT if path.name == "held-out.parquet" else LEDGER
        found = _arrow_schema(path)
        if found is None or not found.equals(arrow_schema(expected)):
            yield folder.name(path), None, f"has not the columns {', '.join(expected)}"
        elif expected is LEDGER:
            for frame in folder.rows(path):
                bad = frame.filter(pl.any_horizontal(pl.col("stage", "reason").is_null()))
                yield from ((folder.name(path), row, "has no stage or no reason") for row in bad["_row"])
                for method, ids in told.items():
                    lost = frame.filter((pl.col("method") == method) & pl.col("document_id").is_null())
                    ids.update(lost["query_id"].drop_nulls())
    for method in folder.methods if folder.publishes_text else []:
        with_row: set[str] = set()
        for _, _, path in folder.tables(method):
            with_row.update(pl.read_parquet(path, columns=["query"])["query"].drop_nulls())
        for query_id, query in folder.queries.select("query_id", "query").iter_rows():
            if query not in with_row and query_id not in told[method]:
                yield "ledger", None, f"does not say why {method} has no row for query {query_id!r}"


def statistics(folder: Folder) -> Found:
    """stats.json gives the rows and hashes that the files have, and the ledger's counts."""
    facts = folder.json("stats.json")
    for config, splits in folder.files.items():
        for split, paths in splits.items():
            entry = facts["files"].get(config, {}).get(split, {})
            if entry.get("files") != {folder.name(path): file_sha256(path) for path in paths}:
                yield "stats.json", None, f"has other files for {config}/{split} than there are"
            rows = sum(pq.read_metadata(path).num_rows for path in paths)
            if entry.get("rows") != rows:
                yield "stats.json", None, f"says {entry.get('rows')} rows for {config}/{split}, there are {rows}"
    if facts["recipe"] != folder.recipe:
        yield "stats.json", None, "has another recipe than the manifest"
    dropped = sum(entry["count"] for entry in facts["stats"]["drops"])
    lines = sum(
        pq.read_metadata(path).num_rows
        for path in (folder.path / "ledger").glob("*.parquet")
        if path.name != "held-out.parquet"
    )
    if dropped != lines:
        yield "stats.json", None, f"counts {dropped} drops, the ledger has {lines}"


def card(folder: Folder) -> Found:
    """README.md's YAML names every config with its files, default and row counts as they are."""
    import yaml

    text = (folder.path / "README.md").read_text(encoding="utf-8")
    parts = text.split("---\n", 2)
    metadata: dict[str, Any] = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0] else {}
    named = {
        entry["config_name"]: {data["split"]: data["path"] for data in entry["data_files"]}
        for entry in metadata.get("configs", [])
    }
    counted = {
        entry["config_name"]: {split["name"]: split["num_examples"] for split in entry["splits"]}
        for entry in metadata.get("dataset_info", [])
    }
    there = {**folder.files, **folder.exported}
    for config in sorted(set(named) - set(there)):
        yield "README.md", None, f"names config {config!r}, which is not there"
    for config, splits in there.items():
        if named.get(config) != {split: [folder.name(path) for path in paths] for split, paths in splits.items()}:
            yield "README.md", None, f"has not the data_files of config {config!r}"
        rows = {split: sum(pq.read_metadata(path).num_rows for path in paths) for split, paths in splits.items()}
        if counted.get(config) != rows:
            yield "README.md", None, f"says {counted.get(config)} rows for config {config!r}, there are {rows}"


def croissant(folder: Folder) -> Found:
    """croissant.json lists every Parquet file of data/ with its SHA-256."""
    document = folder.json("croissant.json")
    listed = {entry["contentUrl"]: entry["sha256"] for entry in document["distribution"]}
    present = [path for splits in folder.files.values() for paths in splits.values() for path in paths]
    for path in present:
        if listed.pop(folder.name(path), None) != file_sha256(path):
            yield "croissant.json", None, f"has not the hash of {folder.name(path)}"
    for name in listed:
        yield "croissant.json", None, f"lists {name}, which is not there"


def _hidden(name: str) -> bool:
    """What git and the Hub's clients put into a folder is no part of the dataset, nor is what a killed process had begun."""
    return name.startswith((".git/", ".cache/", ".rewrite.tmp/")) or name == ".gitattributes"


def _arrow_schema(path: Any) -> Any:
    try:
        return pq.read_schema(path).remove_metadata()
    except (OSError, ValueError):  # pyarrow's errors are ValueErrors
        return None


def _described(schema: Any) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
