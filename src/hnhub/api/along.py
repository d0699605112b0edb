"""What goes to the Hub beside a dataset's rows, made of nothing but the dataset: its page, and other projects' layouts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hnhub.api.export import Exported, export
from hnhub.api.runs import Run
from hnhub.layouts.formats import FORMATS
from hnhub.layouts.parquet import parquet_of
from hnhub.publish.card import feature
from hnhub.publish.finish import EXPORTS
from hnhub.records import METHODS

__all__ = ["exports_of", "page_of"]


def page_of(dataset: Path) -> str:
    """The dataset's page, as it is published."""
    from hnhub.viewer.page import render
    from hnhub.viewer.read import read_view
    from hnhub.viewer.records import Shown

    return render({**read_view(dataset, Shown(published=True)), "against": None, "marks": None})


def exports_of(dataset: Path, layouts: Sequence[str], place: Path) -> tuple[list[dict[str, Any]], Mapping[str, Path]]:
    """Every method's rows in these layouts, written below the empty folder `place`: what the card says of them, and the files by path.

    What its project reads with `datasets` becomes further configs of the dataset, as Parquet: `load_dataset` reads one format a
    repository. The other layouts are files. A layout that holds scores holds only methods that have some. Raises UsageError for a
    layout that there is not.
    """
    told: list[dict[str, Any]] = []
    files: dict[str, Path] = {}
    for layout in sorted(set(layouts), key=[*FORMATS, *layouts].index):
        for method in Run(dataset).methods:
            if layout in FORMATS and FORMATS[layout].scores and METHODS[method].written:
                continue
            made = export(dataset, place / "made" / layout / method, to=layout, method=method)
            one = {"layout": layout, "method": method, "says": FORMATS[layout].says}
            if FORMATS[layout].published is None:
                paths = sorted(path for path in made.folder.rglob("*") if path.is_file())
                found = {f"{EXPORTS}{path.relative_to(place / 'made').as_posix()}": path for path in paths}
                told.append({**one, "read": made.read, "lines": dict(made.lines), "files": list(found)})
            else:
                configs, found = _configs(made, method, place / "configs")
                read = str(FORMATS[layout].published).format(config=f"{layout}-{method}")
                told.append({**one, "read": read, "configs": configs, "files": list(found)})
            files |= found
    return told, files


def _configs(made: Exported, method: str, place: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """An export's tables as configs, as the card's YAML says them, and their files by path. A table without a row is none."""
    configs: dict[str, Any] = {}
    files: dict[str, Path] = {}
    for table, pattern in FORMATS[made.layout].configs.items():
        name = f"{made.layout}-{method}" if table == "default" else f"{made.layout}-{method}-{table}"
        lines = made.folder / pattern.format(split="train")
        if not made.lines[lines.name]:
            continue
        schema, rows, size = parquet_of(lines, place / name, "train")
        shards = {f"{EXPORTS}{name}/{path.name}": path for path in sorted((place / name).iterdir())}
        configs[name] = {
            "features": [feature(*column) for column in schema.items()],
            "splits": {
                "train": {
                    "files": list(shards),
                    "rows": rows,
                    "num_bytes": size,
                    "download_bytes": sum(path.stat().st_size for path in shards.values()),
                }
            },
        }
        files |= shards
    return configs, files
