"""Which scorer is meant is settled before any pair is scored."""

import pytest

from hnhub.errors import MissingExtra
from hnhub.score import scorers


def test_local_without_torch_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"torch.*hnhub\[models\]"):
        scorers.find_reference("local")
