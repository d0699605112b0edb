"""A Hub and real clients of it, one pair a transport: LFS in one piece, LFS in parts, and Xet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_client import Site, make_folder, open_site


@pytest.fixture(scope="session", params=["lfs", "multipart", "xet"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each transport in turn, if the test doesn't choose."""
    yield from open_site(request.param, tmp_path_factory.mktemp(request.param) / "home")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder: two configs."""
    return make_folder(tmp_path_factory.mktemp("first") / "dataset")


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its next edition: a tenth of the rows changed, one config fewer."""
    return make_folder(tmp_path_factory.mktemp("second") / "dataset", edition=2, configs=("bm25",))
