"""An export's folder: written beside its place, every file on the disk, then renamed. The same rows give the same bytes."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hnhub.errors import UsageError
from hnhub.layouts.formats import Format
from hnhub.layouts.group import Group, Options
from hnhub.stages import fsync

__all__ = ["About", "write_folder"]


@dataclass(frozen=True)
class About:
    """What is said of an export in its README.md."""

    splits: tuple[str, ...]
    title: str
    head: Mapping[str, str]
    """The licence, as the Hub's metadata has it."""
    paragraphs: list[str]


def write_folder(out: Path, layout: Format, groups: Iterable[Group], options: Options, about: About) -> Counter[str]:
    """Write every table of the layout and a README.md into `out`; returns the number of lines by file.

    Raises UsageError if `out` is there already.
    """
    if out.exists():
        raise UsageError(f"{out}: is there already", do="delete it, or give another --out")
    with _new_folder(out) as folder:
        lines = _write_tables(folder, layout, groups, options, about.splits)
        (folder / "README.md").write_text(_readme(layout, about), encoding="utf-8")
        for path in sorted(folder.rglob("*")):
            fsync(path)
    return lines


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        fsync(temporary)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    fsync(out.parent)


def _write_tables(
    folder: Path, layout: Format, groups: Iterable[Group], options: Options, splits: tuple[str, ...]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    files: dict[str, IO[str]] = {}
    try:
        for table in layout.tables:
            for name in dict.fromkeys(table.name.format(split=split) for split in splits):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                files[name] = path.open("w", encoding="utf-8", newline="\n")
                counts[name] = 0
                if table.head is not None:
                    files[name].write(f"{table.head}\n")
        for group in groups:
            for table in layout.tables:
                name = table.name.format(split=group.split)
                for line in table.lines(group, options):
                    files[name].write(f"{line}\n")
                    counts[name] += 1
    finally:
        for file in files.values():
            file.close()
    return counts


def _readme(layout: Format, about: About) -> str:
    import yaml

    configs = []
    for config, pattern in layout.configs.items():
        names = {pattern.format(split=split): split for split in about.splits}
        files = [{"split": split if "{split}" in pattern else "train", "path": name} for name, split in names.items()]
        configs.append({"config_name": config, "data_files": files})
    head = {**about.head, **({"configs": configs} if configs else {})}
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    text = "\n\n".join([f"# {about.title}", *about.paragraphs, f"Read it, in this folder:\n\n    {layout.read}"])
    return f"---\n{front}---\n{text}\n"
