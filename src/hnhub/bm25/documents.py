"""Documents for an index, from documents.parquet, a few megabytes at a time."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hnhub.errors import InputError
from hnhub.progress import report
from hnhub.schema import DOCUMENTS

__all__ = ["load_ids", "read_chunks", "read_contents"]

_BATCH_ROWS = 1024
_CHUNK_BYTES = 1 << 23
_IDS = pa.schema({"document_id": pa.large_string()})


def read_contents(documents: Path) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Ids and contents (large strings) in batches. Raises InputError if the file can't be read."""
    space = pa.scalar(" ", pa.large_string())
    try:
        # Without a buffer of whole row groups, which may be the whole file.
        file = pq.ParquetFile(documents, pre_buffer=False, buffer_size=1 << 20)
        if missing := set(DOCUMENTS) - set(file.schema_arrow.names):
            raise InputError(f"{documents}: has no column {min(missing)}", do="make the corpus stage again")
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(DOCUMENTS), use_threads=False):
            document_id, title, text = (batch.column(name).cast(pa.large_string()) for name in DOCUMENTS)
            # As records.contents, but for spaces at the ends, which are no words.
            yield document_id, pc.binary_join_element_wise(title, text, space, null_handling="replace")
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{documents}: can't be read ({error})", do="make the corpus stage again") from error


def read_chunks(documents: Path, ids_path: Path) -> Iterator[pa.Array]:
    """Contents in chunks of some megabytes; the ids are written to `ids_path` on the way."""
    waiting: list[pa.Array] = []
    size = done = 0
    with pa.OSFile(str(ids_path), "wb") as sink, pa.ipc.new_file(sink, _IDS) as ids:
        for document_id, contents in read_contents(documents):
            ids.write(pa.record_batch([document_id], schema=_IDS))
            waiting.append(contents)
            size += contents.nbytes
            done += len(contents)
            if size >= _CHUNK_BYTES:
                yield pa.concat_arrays(waiting)
                waiting, size = [], 0
                report("indexing", done, pq.read_metadata(documents).num_rows, unit="documents")
    if waiting:
        yield pa.concat_arrays(waiting)


def load_ids(ids_path: Path) -> pa.ChunkedArray:
    """The ids that `read_chunks` wrote, memory-mapped."""
    return pa.ipc.open_file(pa.memory_map(str(ids_path))).read_all().column("document_id")
