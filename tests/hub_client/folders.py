"""Small dataset folders in the published layout."""

import json
from pathlib import Path

import polars as pl
import yaml

from hnhub import schema, stages
from hnhub.publish.check import splits_of
from hnhub.rows.parquet import ShardWriter

__all__ = ["make_folder"]


def make_folder(
    path: Path,
    *,
    edition: int = 1,
    configs: tuple[str, ...] = ("bm25", "llm"),
    rows: int = 40,
    hidden: tuple[str, ...] = (),
) -> Path:
    """A dataset folder with two splits a config. Another `edition` has a tenth of its rows changed.

    The card says nothing of the `hidden` configs.
    """

    def make(out: Path, _: Path) -> dict[str, object]:
        for config in configs:
            for split, count in (("train", rows), ("test", rows // 4)):
                with ShardWriter(out / "data" / config, split, schema.triplet(2)) as writer:
                    writer.write(_triplets(config, split, count, edition))
        (out / "stats.json").write_text(json.dumps({"edition": edition}) + "\n")
        (out / "croissant.json").write_text(json.dumps({"@type": "sc:Dataset", "name": "tiny"}) + "\n")
        files = [file.relative_to(out).as_posix() for file in out.rglob("*.parquet")]
        (out / "README.md").write_text(
            _card([file for file in files if file.split("/")[1] not in hidden], f"Tiny {edition}")
        )
        return {"corpus": "tiny", "recipe": {"edition": edition}}

    parts = {"edition": edition, "configs": configs, "rows": rows, "hidden": hidden}
    stages.run_stage(path, parts, make, record_name="manifest.json")
    return path


def _triplets(config: str, split: str, rows: int, edition: int) -> pl.DataFrame:
    def text(kind: str, row: int) -> str:
        number = edition if row % 10 == 0 else 1
        return f"{kind} {row} of {config}, {split}, edition {number}: {'wörds ' * (row % 7)}"

    columns = schema.triplet(2).names()
    return pl.DataFrame(
        [{c: text(c, row) if c != "query" else f"{split} query {row}" for c in columns} for row in range(rows)]
    )


def _card(files: list[str], title: str) -> str:
    configs = [
        {
            "config_name": config,
            "data_files": [{"split": split, "path": f"data/{config}/{split}-*.parquet"} for split in sorted(splits)],
        }
        for config, splits in splits_of(files).items()
    ]
    head = yaml.safe_dump({"license": "cc-by-4.0", "configs": configs}, sort_keys=False)
    return f"---\n{head}---\n\n# {title}\n\nMade for a test.\n"
