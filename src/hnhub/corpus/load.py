"""Find a corpus, `resolve(name, folder)`, and load it, `make_corpus(out, source)`, as Parquet.

It comes from a folder, from the Hub at a commit, or from the standard library.
"""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hnhub.corpus import documents, hub, pydocs
from hnhub.corpus.catalog import CATALOG, find
from hnhub.corpus.convert import ACCEPTED, UNJUDGED, convert
from hnhub.corpus.documents import Chunking
from hnhub.corpus.layout import Layout, find_layout, has_tables
from hnhub.corpus.parquet import write_table
from hnhub.corpus.parts import EXCLUDED, find_part, patterns_of
from hnhub.corpus.spec import CorpusSpec
from hnhub.corpus.tables import Column, read_blocks
from hnhub.errors import InputError, UsageError
from hnhub.home import home
from hnhub.records import Drop
from hnhub.stages import StageRecord, file_sha256, fingerprint, read_record
from hnhub.text.paths import check_hub_name

__all__ = ["UNJUDGED", "Source", "again", "make_corpus", "resolve"]

log = logging.getLogger(__name__)

_TABLES = ("documents.parquet", "queries.parquet", "qrels.parquet", "ledger.parquet")
_OPTIONAL = ("parts.parquet", "excluded.parquet")
"""Which split the queries are for that are written from a passage (document_id, split); what is left out of a query's ranking
(query_id, document_id)."""
_CODE_VERSION = 2
"""Raise it when the same source would give other bytes."""


@dataclass(frozen=True)
class Source:
    """Where a corpus comes from. At most one of `folder`, `hub_id` and `given` is set; none means the standard library."""

    name: str
    spec: CorpusSpec | None
    """The catalog's facts, which the counts are checked against."""
    folder: Path | None = None
    hub_id: str | None = None
    hub_revision: str | None = None
    """A commit, never a branch."""
    part: str | None = None
    """Of a folder or repository that holds several corpora."""
    qrels_hub_id: str | None = None
    qrels_hub_revision: str | None = None
    chunking: Chunking | None = None
    """Set if `folder` holds documents that are to be cut."""
    given: Path | None = None
    """A corpus that was given as objects, as `hnhub.corpus.given` keeps it: a finished folder."""

    def identity(self) -> dict[str, Any]:
        """What the corpus is made of, for the fingerprint: file hashes, commits, or Python's version."""
        identity: dict[str, Any] = {"name": self.name, "code": _CODE_VERSION}
        if self.part is not None:
            identity["part"] = self.part
        if self.folder is not None and self.part is not None:
            with find_part(self.folder, self.part) as layout:
                files = [*layout.files(), *_excluded(layout)]
                identity["files"] = {f"{i} {path.name}": file_sha256(path) for i, path in enumerate(files)}
        elif self.folder is not None:
            if self.chunking:
                files = documents.files(self.folder)
                identity["chunking"] = asdict(self.chunking)
                identity["cut"] = documents.CUT_VERSION
            else:
                layout = find_layout(self.folder)
                files = [*layout.files(), *_excluded(layout)]
            identity["files"] = {path.relative_to(self.folder).as_posix(): file_sha256(path) for path in files}
        elif self.given is not None:
            identity["given"] = self.given_record().facts["revision"]
        elif self.hub_id is not None:
            identity["hub"] = {self.hub_id: self.hub_revision}
            if self.qrels_hub_id is not None:
                identity["qrels_hub"] = {self.qrels_hub_id: self.qrels_hub_revision}
        else:
            identity["pydocs"] = pydocs.identity()
        return identity

    def given_record(self) -> StageRecord:
        """What is recorded of a corpus that was given. Raises InputError if it has gone."""
        assert self.given is not None
        return read_record(self.given / "stage.json")


def resolve(name: str, folder: Path | None = None, chunking: Chunking | None = None) -> Source:
    """Find a corpus by its catalog name, its folder, or its id on the Hub (`owner/name` or `owner/name@revision`).

    A repository or folder that holds several corpora is named with the part: `owner/name:part`, `folder:part`.

    Looked for in this order: `folder`, the folder that `name` is the path of, the folder of that name in HNHUB_CORPORA,
    the catalog, the Hub. A folder without a table of documents is one of text files, which are cut as `chunking` says.
    A revision that the catalog does not pin, or that is no commit, is looked up now. Raises InputError, ServiceError.
    """
    if folder is None and name not in CATALOG and Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        name = re.sub(r"[^\w.-]+", "-", folder.resolve().name).strip("-.") or "documents"
    name, _, part = name.partition(":")
    if part and folder is None and Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
        name = folder.resolve().name
    if part and folder is not None:
        return Source(f"{name}-{part}", None, folder=folder, part=part)
    if folder is None:
        check_hub_name(name, do="give a folder, a name of `hnhub corpora`, or owner/name on the Hub")
        if "/" in name:
            return _on_hub(name, part or None)
        folder = _local(name)
    if folder is not None:
        name = name.replace("/", "--")
        if folder.is_dir() and not has_tables(folder) and documents.holds_documents(folder):
            return Source(name, None, folder=folder, chunking=chunking or Chunking())
        find_layout(folder)
        if chunking:
            raise UsageError(
                f"{folder}: holds a table of documents, which is not cut",
                do="leave --chunk-tokens and --chunk-overlap out",
            )
        return Source(name, CATALOG.get(name), folder=folder)
    if chunking:
        raise UsageError(
            f"{name}: only documents of your own are cut", do="leave --chunk-tokens and --chunk-overlap out"
        )
    spec = find(name)
    if spec.name == pydocs.NAME:
        return Source(name, spec)
    if spec.hub_id is None:
        raise InputError(
            f"{name}: its text is {spec.access} and not on the Hub",
            do=f"give your own copy in BEIR layout by --corpus-dir, or as $HNHUB_CORPORA/{name}",
        )
    qrels = spec.qrels_hub_id
    return Source(
        name,
        spec,
        hub_id=spec.hub_id,
        hub_revision=spec.revision or hub.newest_revision(spec.hub_id),
        qrels_hub_id=qrels,
        qrels_hub_revision=(spec.qrels_revision or hub.newest_revision(qrels)) if qrels else None,
    )


def again(told: Mapping[str, Any], folder: Path | None = None) -> Source:
    """The source that a finished corpus tells of (its fact `source`): the same commits, whatever the catalog has by now.

    A corpus that came from files is read from `folder`, else from HNHUB_CORPORA; one that was given as objects is looked for where
    it was kept. Raises InputError for one that is not to be had here, or what tells of none.
    """
    name = told.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{name!r} is no corpus's name", do="build from a corpus of your own")
    chunking = Chunking(**told["chunking"]) if told.get("chunking") else None
    part = told.get("part")
    if folder is not None:
        return Source(name, None, folder=folder, part=part) if part else resolve(name, folder, chunking)
    if "hub" in told:
        ((hub_id, commit),) = told["hub"].items()
        ((qrels, qrels_commit),) = told.get("qrels_hub", {None: None}).items()
        return Source(
            name,
            CATALOG.get(name),
            part=part,
            hub_id=hub_id,
            hub_revision=commit,
            qrels_hub_id=qrels,
            qrels_hub_revision=qrels_commit,
        )
    if "pydocs" in told:
        return Source(name, find(name))
    if "given" in told:
        place = home() / "corpora" / f"{name}-{told['given'][:16]}"
        if (place / "stage.json").is_file():
            return Source(name, None, given=place)
        raise InputError(f"{name}: was given as objects, and is not kept here", do="give your copy by --corpus-dir")
    if (found := _local(name)) is None:
        raise InputError(
            f"{name}: was read from files", do=f"give your copy by --corpus-dir, or as $HNHUB_CORPORA/{name}"
        )
    return resolve(name, found, chunking)


def make_corpus(out: Path, source: Source) -> dict[str, Any]:
    """Load the corpus into the empty folder `out`: documents, queries, qrels and ledger (columns in `hnhub.schema`).

    Documents with neither title nor text, and judgements on them, are dropped into the ledger; anything else that is
    wrong is an InputError naming file and line. The counts of a catalog corpus must be the catalog's.
    """
    if source.given is not None:
        record = source.given_record()
        for name in (*_TABLES, *_OPTIONAL):
            if name in _TABLES or (source.given / name).is_file():
                shutil.copyfile(source.given / name, out / name)
        return dict(record.facts)
    identity = source.identity()
    with _layout(source) as (layout, drops):
        facts = convert(out, layout, drops)
        _write_excluded(out, layout)
    source_counts = facts.pop("source_counts")
    if source.spec is not None:
        _check_counts(source, source_counts)
    for reason, number in facts["dropped"].items():
        log.info("%s: dropped %s: %d", source.name, reason, number)
    return {
        "corpus": source.name,
        "revision": _revision(source, identity),
        "source": identity,
        "licence": source.spec.licence if source.spec else "unknown",
        "chunked": source.chunking is not None and documents.several_files(_ids(out)),
        "evaluation_splits": list(source.spec.evaluation_splits)
        if source.spec and source.spec.evaluation_splits
        else None,
        **facts,
    }


def _ids(out: Path) -> Iterator[str]:
    for part in pq.ParquetFile(out / "documents.parquet").iter_batches(columns=["document_id"]):
        yield from part.column(0).to_pylist()


def _excluded(layout: Layout) -> list[Path]:
    """The file that says which documents an evaluation leaves out of which query's ranking, if there is one."""
    return [path for path in (queries.with_name(EXCLUDED) for queries in layout.queries[:1]) if path.is_file()]


def _write_excluded(out: Path, layout: Layout) -> None:
    for path in _excluded(layout):
        columns = [Column(name, ACCEPTED["qrels"][name]) for name in ("query_id", "document_id")]
        pairs = [pl.DataFrame(schema={column.name: pl.String for column in columns})]
        pairs += [pl.DataFrame(block.rows) for block in read_blocks(path, columns)]
        write_table(out / "excluded.parquet", pl.concat(pairs))


def _revision(source: Source, identity: dict[str, Any]) -> str:
    """One word for the text: a commit, `python-3.x.y`, or `files-` and a hash."""
    if source.folder is not None:
        return f"files-{fingerprint(identity['files'])[:16]}"
    return source.hub_revision or pydocs.revision()


def _local(name: str) -> Path | None:
    root = os.environ.get("HNHUB_CORPORA")
    if not root:
        return None
    # The official BEIR archive holds cqadupstack/<forum>.
    places = [Path(root, name), Path(root, name.replace("cqadupstack-", "cqadupstack/", 1))]
    return next((place for place in places if (place / "qrels").is_dir()), None)


def _on_hub(name: str, part: str | None) -> Source:
    repo, _, revision = name.partition("@")
    if part is not None:
        part, _, after = part.partition("@")
        revision = revision or after
    return Source(
        name=repo.replace("/", "--") + (f"-{part}" if part else ""),
        part=part,
        spec=None,
        hub_id=repo,
        hub_revision=hub.newest_revision(repo, revision or None),
    )


@contextmanager
def _layout(source: Source) -> Iterator[tuple[Layout, list[Drop]]]:
    if source.folder is not None and source.chunking is not None:
        with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
            drops = documents.write(Path(place), source.folder, source.chunking)
            yield Layout(source.folder, (Path(place, "corpus.jsonl"),), (), {}), drops
    elif source.folder is not None and source.part is not None:
        with find_part(source.folder, source.part) as layout:
            yield layout, []
    elif source.folder is not None:
        yield find_layout(source.folder), []
    elif source.hub_id is not None and source.part is not None:
        assert source.hub_revision is not None
        with find_part(hub.fetch(source.hub_id, source.hub_revision, patterns_of(source.part)), source.part) as layout:
            yield layout, []
    elif source.hub_id is not None:
        assert source.hub_revision is not None
        folder = hub.fetch(source.hub_id, source.hub_revision)
        qrels = None
        if source.qrels_hub_id is not None:
            assert source.qrels_hub_revision is not None
            qrels = hub.fetch(source.qrels_hub_id, source.qrels_hub_revision)
        yield find_layout(folder, qrels), []
    else:
        with tempfile.TemporaryDirectory(prefix="hnhub-") as place:
            drops = pydocs.write(Path(place))
            yield find_layout(Path(place)), drops


def _check_counts(source: Source, found: dict[str, Any]) -> None:
    spec = source.spec
    assert spec is not None
    if spec.documents is None:
        return
    pairs = [("documents", spec.documents, found["documents"])]
    for split in dict.fromkeys([*spec.judged_queries, *found["judged_queries"]]):
        expected = spec.judged_queries.get(split, 0)
        pairs.append((f"judged {split} queries", expected, found["judged_queries"].get(split, 0)))
    for what, expected, number in pairs:
        if number != expected:
            raise InputError(
                f"{source.folder or source.hub_id}: {source.name} should have {expected:,} {what}, but has {number:,}",
                do="fetch the corpus again, or load it under a name of its own",
            )
