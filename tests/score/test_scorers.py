"""Which scorer is meant is settled before any pair is scored."""

import sys

import pytest

from hnhub.errors import MissingExtra
from hnhub.score.scorers import find_reference


def test_local_without_torch_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"torch.*hnhub\[models\]"):
        find_reference("local")
