"""Which weights exactly: a model's name and revision, for fingerprints and provenance, without loading it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hnhub.errors import InputError, MissingExtra, ServiceError
from hnhub.stages import file_sha256

__all__ = ["ModelRef", "local_folder", "quiet_loading", "resolve"]


@dataclass(frozen=True)
class ModelRef:
    """A model on the Hub at a commit, or a folder by its content."""

    name: str
    """The Hub id, or the folder's name: never a path of this machine."""
    revision: str
    """The commit, or `sha256:` and the first 16 digits of a hash over the folder's files."""
    source: str
    """What to load: the Hub id or the folder's path."""

    @property
    def hub_revision(self) -> str | None:
        """The revision to ask the Hub for; None for a folder."""
        return None if self.revision.startswith("sha256:") else self.revision

    def identity(self) -> dict[str, str]:
        """For fingerprints: what the weights are, not where they lie."""
        return {"model": self.name, "revision": self.revision}


def resolve(model: str) -> ModelRef:
    """Find a model's revision: a folder's content, the commit in the local Hub cache, or the Hub's current commit.

    Raises InputError if it is neither a folder with files nor a model on the Hub, ServiceError if the Hub doesn't answer.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return ModelRef(folder.resolve().name, f"sha256:{_folder_hash(folder)}", str(folder))
    if model.count("/") > 1 or model.startswith((".", "/", "~")):
        raise InputError(f"{model}: no such folder", do="give a model's folder or its id on the Hub")
    snapshot = _cached_snapshot(model)
    return ModelRef(model, snapshot.name if snapshot else _hub_commit(model), model)


def local_folder(model: str) -> Path | None:
    """Where a model's weights lie on this machine, if they do: its folder, or the one in the local Hub cache."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    snapshot = _cached_snapshot(model)
    weights = (path for kind in ("*.safetensors", "*.bin") for path in snapshot.rglob(kind)) if snapshot else iter(())
    return snapshot if any(weights) else None


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers' bars off the terminal while weights are loaded."""
    try:
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra("transformers", extra="models") from error

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def _folder_hash(folder: Path) -> str:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # Hidden files and the card don't change what the model computes.
    relevant = sorted(name.as_posix() for name in names if name.name != "README.md" and not name.name.startswith("."))
    if not relevant:
        raise InputError(f"{folder}: has no model in it", do="give a folder that sentence-transformers saved")
    total = hashlib.sha256()
    for name in relevant:
        total.update(f"{name}\0{file_sha256(folder / name)}\n".encode())
    return total.hexdigest()[:16]


def _cached_snapshot(model: str) -> Path | None:
    """The folder, named by the commit, in which the local Hub cache keeps the model."""
    from huggingface_hub import constants, file_download

    cache = Path(constants.HF_HUB_CACHE) / file_download.repo_folder_name(repo_id=model, repo_type="model")
    main = cache / "refs" / "main"
    if not main.is_file():
        return None
    snapshot = cache / "snapshots" / main.read_text(encoding="ascii").strip()
    return snapshot if (snapshot / "config.json").exists() else None


def _hub_commit(model: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return str(HfApi().model_info(model, timeout=30).sha)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise InputError(
            f"model {model}: is neither a folder here nor a model on the Hub",
            do="check its name, or log in to the Hub if it is gated",
        ) from error
    # The Hub's client raises errors of its HTTP library, which differs between versions.
    except Exception as error:
        raise ServiceError(
            f"model {model}: not in the local cache, and the Hub does not answer ({type(error).__name__})",
            do="try again, or give a folder with the model",
        ) from error
