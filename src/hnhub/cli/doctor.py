"""`hnhub doctor`: what is installed and what answers."""

import importlib.util
import json
import os
import platform
import re
from importlib import metadata
from typing import Any

import click

from hnhub.cli.help import Command
from hnhub.cli.options import as_json
from hnhub.cli.screen import print_facts, screen

__all__ = ["doctor"]

_BASE = ("datasets", "huggingface-hub", "polars", "pyarrow", "numba", "httptools")


@click.command(
    cls=Command,
    examples=(
        "hnhub doctor",
        "hnhub doctor --endpoint http://127.0.0.1:8000",
    ),
)
@click.option("--endpoint", "endpoints", multiple=True, metavar="URL", help="Ask this LLM server too; repeatable.")
@as_json
def doctor(endpoints: tuple[str, ...], as_json: bool) -> None:
    """Say what is installed, which extras are missing, and whether endpoint, Hub token and GPU answer."""
    findings = {
        "python": platform.python_version(),
        "hnhub": metadata.version("hnhub"),
        **{name: metadata.version(name) for name in _BASE},
        **{f"extra {name}": _extra(name, needs) for name, needs in _extras().items()},
        "embedded model": _weights(),
        "gpu": _gpu(),
        "hub": _hub(),
        **{f"endpoint {url}": _endpoint(url) for url in endpoints},
    }
    if as_json:
        click.echo(json.dumps(findings, indent=1))
    elif console := screen():
        print_facts(console, findings.items())
    else:
        for name, finding in findings.items():
            click.echo(f"{name:18} {finding}")


def _extras() -> dict[str, list[str]]:
    """By extra, the packages that it brings; not `dev`, which is for those who work on hnhub."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("hnhub") or ():
        if (parts := re.match(r"([\w.-]+).*\bextra == ['\"]([\w-]+)", requirement)) and parts[2] != "dev":
            found.setdefault(parts[2], []).append(parts[1])
    return found


def _extra(name: str, needs: list[str]) -> str:
    missing = [package for package in needs if not _installed(package)]
    return f"lacks {', '.join(missing)}: pip install 'hnhub[{name}]'" if missing else "installed"


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _weights() -> str:
    from hnhub.errors import HnhubError
    from hnhub.llm.embedded import encoded_path

    try:
        path = encoded_path()
        return path.name if path.exists() else "installed; its weights are re-encoded when it is first used"
    except HnhubError as error:
        return str(error)


def _gpu() -> str:
    if importlib.util.find_spec("torch") is None:
        return "unknown: torch is not installed"
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _hub() -> str:
    from huggingface_hub import HfApi, get_token

    host = os.environ.get("HF_ENDPOINT", "the Hub")
    if not get_token():
        return f"no token for {host}: run `hf auth login`, or set HF_TOKEN"
    try:
        account: dict[str, Any] = HfApi().whoami()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return f"{host} does not take the token: {type(error).__name__}"
    return f"{host} knows the token as {account['name']}"


def _endpoint(url: str) -> str:
    from hnhub.errors import HnhubError
    from hnhub.home import home
    from hnhub.llm.open import open_model

    try:
        with open_model((url,), journal=home() / "journal.sqlite") as model:
            return json.dumps(model.identity, ensure_ascii=False)
    except HnhubError as error:
        return str(error)
