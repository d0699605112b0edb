"""Names that can only be paths: where nothing is there, that is said at once, and the Hub is not asked for them."""

import re

from hnhub.errors import InputError

__all__ = ["check_hub_name"]

_FILE = re.compile(r"\.(jsonl?|csv|tsv|parquet|txt|toml|md|html?|pdf|docx)(\.gz)?$", re.IGNORECASE)
_PATH = re.compile(r"[./~]|.*/$|(.*/){2}")


def check_hub_name(name: str, *, do: str, owned: bool = False) -> None:
    """Raise InputError where a name at which nothing lies is no name on the Hub: it has a data file's suffix or a path's form.

    `owned`: nor is one without an owner.
    """
    if _FILE.search(name):
        raise InputError(f"no such file: {name}", do=do)
    if _PATH.match(name) or (owned and "/" not in name):
        raise InputError(f"no such folder: {name}", do=do)
