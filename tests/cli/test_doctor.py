"""The doctor looks, and makes nothing."""

from pathlib import Path

import pytest

from hnhub.cli.doctor import _weights
from hnhub.llm.embedded import encoded_path


def test_the_embedded_models_weights_are_looked_for_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(tmp_path))
    assert _weights() == "installed; its weights are re-encoded when it is first used"
    assert list(tmp_path.iterdir()) == []
    encoded_path().parent.mkdir()
    encoded_path().touch()
    assert _weights() == encoded_path().name
