"""Which weights exactly: a model's name and revision, for fingerprints and provenance, without loading it.

A model may also be an object in memory. `hold` gives it a name, `<name>@sha256:<digits>` by all that it computes with, which
goes wherever an id or a folder does, in this process.
"""

import hashlib
import json
import re
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from logging import Handler, LogRecord, getLogger
from pathlib import Path
from typing import Any

from hnhub.errors import InputError, MissingExtra, ServiceError
from hnhub.stages import file_sha256, fingerprint
from hnhub.text.paths import check_hub_name

__all__ = ["ModelRef", "held", "hold", "local_folder", "need_torch", "pinned", "quiet_loading", "resolve"]

_OBJECT = "@sha256:"
_held: "weakref.WeakValueDictionary[str, Any]" = weakref.WeakValueDictionary()
"""Objects by the names that `hold` gave them, for as long as their owner keeps them."""
_pins: dict[str, str] = {}
"""Hub id -> commit, where `pinned` says so."""


@dataclass(frozen=True)
class ModelRef:
    """A model on the Hub at a commit, or a folder by its content."""

    name: str
    """The Hub id, or the folder's name: never a path of this machine."""
    revision: str
    """The commit, or `sha256:` and the first 16 digits of a hash over the folder's files."""
    source: str
    """What to load: the Hub id, the folder's path, or the name that `hold` gave an object."""

    @property
    def hub_revision(self) -> str | None:
        """The revision to ask the Hub for; None for a folder or an object."""
        return None if self.revision.startswith("sha256:") else self.revision

    def identity(self) -> dict[str, str]:
        """For fingerprints: what the weights are, not where they lie."""
        return {"model": self.name, "revision": self.revision}


def need_torch(what: str | None = None) -> None:
    """Raise MissingExtra if torch is not there, which `what` needs: at once, not when a model is loaded after other work."""
    if find_spec("torch") is None:
        raise MissingExtra(f"torch, which {what} needs," if what else "torch", extra="models")


def resolve(model: str) -> ModelRef:
    """Find a model's revision: an object's or a folder's content, the commit in the local Hub cache, or the Hub's current commit.

    `owner/name@<commit>` names one.
    Raises MissingExtra without torch, InputError if it is neither a folder with files nor a model on the Hub, ServiceError if the
    Hub doesn't answer.
    """
    need_torch()
    name, is_object, digits = model.rpartition(_OBJECT)
    if is_object:
        if held(model) is None:
            raise InputError(
                f"{model}: was an object in memory, and is not in this process",
                do="give the object again, or save it and give its folder; Ray's workers need a folder or an id",
            )
        return ModelRef(name, f"sha256:{digits}", model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return ModelRef(folder.resolve().name, f"sha256:{_folder_hash(folder)}", str(folder))
    hub_id, at, commit = model.partition("@")
    if not at and model in _pins:
        return ModelRef(model, _pins[model], model)
    if at:
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise InputError(f"{model}: {commit!r} is no commit", do="give all 40 digits of one, or leave it out")
        return ModelRef(hub_id, commit, hub_id)
    check_hub_name(model, do="give a model's folder or its id on the Hub")
    snapshot = _cached_snapshot(model)
    return ModelRef(model, snapshot.name if snapshot else _hub_commit(model), model)


@contextmanager
def pinned(commits: Mapping[str, str]) -> Iterator[None]:
    """Have models of the Hub that are named without a commit stand at these, in this process, for as long."""
    before = dict(_pins)
    _pins.update(commits)
    try:
        yield
    finally:
        _pins.clear()
        _pins.update(before)


def hold(model: Any) -> str:
    """A name for a SentenceTransformer or a CrossEncoder in memory, which is then used as it is: never changed, never copied.

    The name has a hash over every weight and everything else that saving the model writes (modules, configuration, tokenizer,
    prompts), so an object that was trained further has another name. It is found for as long as its owner keeps it. Raises
    InputError if it can't be saved, so that there is no knowing what it is.
    """
    total = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="hnhub-") as place, quiet_loading():
        try:
            model.save_pretrained(place, create_model_card=False)
        except Exception as error:
            raise InputError(
                f"a {type(model).__name__} that can't be saved can't be told from others ({type(error).__name__}: {error})",
                do="give a model whose modules can be saved",
            ) from error
        for name, path in _content(Path(place)):
            if not name.endswith((".safetensors", ".bin")):
                total.update(f"{name}\0{_settled(path)}\n".encode())
    # Not the saved weights: of an adapter only its own are saved, not those of the model below it.
    for name, weights in sorted(model.state_dict().items()):
        total.update(f"{name}\0{weights.dtype}\0{tuple(weights.shape)}\n".encode())
        total.update(_bytes(weights))
    total.update(f"truncate_dim {getattr(model, 'truncate_dim', None)}".encode())
    token = f"{_name(model)}{_OBJECT}{total.hexdigest()[:16]}"
    _held[token] = model
    return token


def held(name: str) -> Any | None:
    """The object that `hold` gave this name; None if there is none (any more)."""
    return _held.get(name)


def _settled(path: Path) -> str:
    """A saved file's hash, without what a transformers tokenizer only remembers of the last batch that it was given."""
    if path.name != "tokenizer.json" or not (path.parent / "tokenizer_config.json").exists():
        return file_sha256(path)
    saved = json.loads(path.read_text(encoding="utf-8"))
    return fingerprint({key: value for key, value in saved.items() if key not in ("padding", "truncation")})


def _bytes(weights: Any) -> Any:
    import torch

    return weights.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _name(model: Any) -> str:
    """What the object was loaded from, as far as it knows: a Hub id or a folder's last name, never a path."""
    card = getattr(model, "model_card_data", None)
    body = getattr(model, "model", None) or getattr(next(iter(model.children()), None), "auto_model", None)
    config = getattr(body, "config", None)
    known = (getattr(card, "base_model", None), getattr(config, "_name_or_path", None))
    found = next((name for name in known if isinstance(name, str) and name), type(model).__name__)
    return Path(found).name if found.count("/") != 1 or Path(found).is_dir() else found


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
    """Keep transformers' bars off the terminal, and let its warnings go through the logger `hnhub`, where they can be heard."""
    try:
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra("transformers", extra="models") from error

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    loggers = [getLogger(name) for name in ("transformers", "sentence_transformers")]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [_Forward()], False
    try:
        yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
        if was_on:
            logging.enable_progress_bar()


class _Forward(Handler):
    """Hands what a library says to our logger."""

    def emit(self, record: LogRecord) -> None:
        getLogger(__name__).handle(record)


def _folder_hash(folder: Path) -> str:
    relevant = _content(folder)
    if not {"config.json", "modules.json"} & {name for name, _ in relevant}:
        raise InputError(f"{folder}: has no model in it", do="give a folder that sentence-transformers saved")
    total = hashlib.sha256()
    for name, path in relevant:
        total.update(f"{name}\0{file_sha256(path)}\n".encode())
    return total.hexdigest()[:16]


def _content(folder: Path) -> list[tuple[str, Path]]:
    """The files of a model by their names in its folder; hidden files and the card don't change what it computes."""
    files = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
    return sorted(
        (name.as_posix(), path) for name, path in files if name.name != "README.md" and not name.name.startswith(".")
    )


def _cached_snapshot(model: str) -> Path | None:
    """The folder, named by the commit, in which the local Hub cache keeps the model (at `@<commit>`, if it names one)."""
    from huggingface_hub import constants, file_download

    hub_id, _, commit = model.partition("@")
    cache = Path(constants.HF_HUB_CACHE) / file_download.repo_folder_name(repo_id=hub_id, repo_type="model")
    main = cache / "refs" / "main"
    if not commit and not main.is_file():
        return None
    snapshot = cache / "snapshots" / (commit or main.read_text(encoding="ascii").strip())
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
