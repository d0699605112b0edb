"""What a shell offers for a word that is half written, beside what click knows by itself (docs/install.md: how it is turned on)."""

import click
from click.shell_completion import CompletionItem

__all__ = ["corpora", "paths"]


def paths(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own files and folders."""
    return [CompletionItem(incomplete, type="file")]


def corpora(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The catalog's names that start so; where none does, files and folders."""
    from hnhub.corpus.catalog import CATALOG

    found = [CompletionItem(name, help=spec.title) for name, spec in CATALOG.items() if name.startswith(incomplete)]
    return found or paths(ctx, param, incomplete)
