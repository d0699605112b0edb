import shutil

import pytest

from hnhub.encode.models import pinned, resolve
from hnhub.errors import InputError


def test_a_folder_is_known_by_its_content_not_its_place(static_model, tmp_path):
    copy = tmp_path / "elsewhere" / "model"
    shutil.copytree(static_model, copy)
    first, second = resolve(static_model), resolve(str(copy))
    assert first.revision == second.revision
    assert second.identity() == {"model": "model", "revision": first.revision}
    assert str(tmp_path) not in str(second.identity())
    assert second.hub_revision is None
    weights = next(copy.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert resolve(str(copy)).revision != first.revision


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        resolve(str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="no model in it"):
        resolve(str(tmp_path))
    (tmp_path / "e5").mkdir()
    (tmp_path / "e5" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="no model in it"):
        resolve(str(tmp_path))  # the folder of models


def test_a_cached_model_needs_no_network(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    main = tmp_path / "models--some--model" / "refs" / "main"
    main.parent.mkdir(parents=True)
    main.write_text("abc123")
    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert resolve("some/model").hub_revision == "abc123"


def test_a_pinned_model_stands_at_its_commit_for_as_long(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("abc123")
    with pinned({"some/model": "d" * 40}):
        assert resolve("some/model").identity() == {"model": "some/model", "revision": "d" * 40}
        assert resolve(f"some/model@{'e' * 40}").revision == "e" * 40, "what names a commit has its own"
    assert resolve("some/model").revision == "abc123"
