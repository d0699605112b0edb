import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hnhub.encode import shards
from hnhub.encode.encoder import Encoder
from hnhub.encode.shards import embed_documents
from hnhub.progress import listening


@pytest.fixture
def encoder(static_model):
    return Encoder(static_model, device="cpu")


def test_shards_hold_the_documents_in_order(encoder, documents, tmp_path, monkeypatch):
    whole = embed_documents(encoder, documents, tmp_path / "whole")
    assert (whole.rows, whole.dimension) == (300, encoder.dimension)
    (vectors,) = whole.chunks()
    assert isinstance(vectors, np.memmap)
    monkeypatch.setattr(shards, "_ROWS", 70)
    cut = embed_documents(encoder, documents, tmp_path / "cut")
    assert [len(chunk) for chunk in cut.chunks()] == [70, 70, 70, 70, 20]
    np.testing.assert_array_equal(np.concatenate(list(cut.chunks())), vectors)
    np.testing.assert_array_equal(cut.take(np.array([299, 0, 71])), vectors[[299, 0, 71]])


def test_another_model_prompt_or_storage_is_another_folder(encoder, static_model, documents, tmp_path):
    first = embed_documents(encoder, documents, tmp_path)
    half = embed_documents(encoder, documents, tmp_path, storage="float16")
    prompted = embed_documents(Encoder(static_model, device="cpu", document_prompt="x "), documents, tmp_path)
    assert len({first.folder, half.folder, prompted.folder}) == 3
    assert next(half.chunks()).dtype == np.float16


def test_nothing_is_encoded_twice(encoder, documents, tmp_path):
    first = embed_documents(encoder, documents, tmp_path)
    with listening((told := []).append):
        assert embed_documents(encoder, documents, tmp_path) == first
    assert not told


CHILD = """
import sys, time
from pathlib import Path
from hnhub.encode import encoder, shards
plain = encoder.Encoder.encode_batch
def slow(self, texts):
    time.sleep(0.05)
    return plain(self, texts)
encoder.Encoder.encode_batch = slow
model, documents, parent = sys.argv[1:]
encoder.token_budget = lambda device: 3
shards.embed_documents(encoder.Encoder(model, device="cpu"), Path(documents), Path(parent))
"""


def test_kill_9_loses_one_batch_at_most(static_model, documents, tmp_path, monkeypatch):
    monkeypatch.setattr("hnhub.encode.encoder.token_budget", lambda device: 3)
    encoder = Encoder(static_model, device="cpu")
    expected = next(embed_documents(encoder, documents, tmp_path / "plain").chunks())
    child = subprocess.Popen([sys.executable, "-c", CHILD, static_model, str(documents), str(tmp_path / "killed")])
    note = None
    while child.poll() is None:
        note = next(Path(tmp_path / "killed").rglob("*.done"), None)
        if note and note.stat().st_size > 12:
            break
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert note is not None
    done = len(note.read_bytes().splitlines())
    sent = []
    plain = Encoder.encode_batch
    monkeypatch.setattr(Encoder, "encode_batch", lambda self, texts: sent.append(len(texts)) or plain(self, texts))
    resumed = embed_documents(encoder, documents, tmp_path / "killed")
    texts = [f"On this {text}" for text in pl.read_parquet(documents)["text"]]
    assert len(sent) == len(encoder.batches(texts)) - done
    np.testing.assert_array_equal(next(resumed.chunks()), expected)
    assert [path.suffix for path in resumed.folder.glob("[!.]*")] == [".npy"]


@pytest.mark.parametrize("torn", [b"1", b"\0\0\0", b"1\0\n"])
def test_a_torn_last_line_of_the_notes_neither_stops_nor_spoils_a_resume(
    encoder, documents, tmp_path, monkeypatch, torn
):
    expected = embed_documents(encoder, documents, tmp_path / "whole")
    monkeypatch.setattr("hnhub.encode.encoder.token_budget", lambda device: 3)
    plain, left = Encoder.encode_batch, [0]

    def until_killed(self, texts):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return plain(self, texts)

    monkeypatch.setattr(Encoder, "encode_batch", until_killed)
    for batches in (4, 2):
        left[0] = batches
        with pytest.raises(KeyboardInterrupt):
            embed_documents(encoder, documents, tmp_path / "killed")
        note = next((tmp_path / "killed").rglob("*.done"))
        with note.open("ab") as noted:
            noted.write(torn)
    left[0] = 1000
    resumed = embed_documents(encoder, documents, tmp_path / "killed")
    assert left[0] < 1000 - 8, "there are batches beyond those that a torn line could name"
    np.testing.assert_allclose(
        np.concatenate(list(resumed.chunks())), np.concatenate(list(expected.chunks())), atol=1e-6
    )
