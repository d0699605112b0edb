"""Help that can be read: options in groups, the common first; examples; and what was perhaps meant by a wrong word."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hnhub.text.names import meant

__all__ = ["TRAIN_GROUPS", "Choice", "Command"]

TRAIN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Common": ("config", "model", "out", "kind", "loss", "epochs", "batch", "learning_rate", "merge", "seed", "revision"),
    "Rows": ("rows", "positives", "negatives", "teacher", "candidates", "held_out"),
    "Loss": ("temperature", "masking", "mix", "teacher_temperature", "hardness_mode", "hardness_strength", "matryoshka"),
    "Model": ("preset", "query_prefix", "document_prefix", "max_length", "pooling", "normalise", "lora"),
    "Memory and speed": ("mini_batch", "cached", "bf16", "gradient_checkpointing"),
    "Course": ("warmup", "evaluations", "patience", "reporter"),
    "Leaks": ("test_corpora", "corpus_dir", "on_leak", "decontaminate"),
}  # fmt: skip
"""Heading -> options by their names in Python. What stands in none comes last."""


class Command(click.Command):
    """A command that shows its options under headings and says how it is used."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self._groups = groups or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a word, where one is needed: the most common uses instead of an error."""
        if not args and any(param.required for param in self.params) and not ctx.resilient_parsing:
            uses = "\n".join(f"  {example}" for example in self.examples)
            raise click.UsageError(
                f"{ctx.command_path} of what? Most used:\n{uses}\n{ctx.command_path} --help says more."
            )
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each group under its heading."""
        records = {param.name: record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))}
        for heading, names in self._groups.items():
            if found := [records.pop(name) for name in names if name in records]:
                with formatter.section(heading):
                    formatter.write_dl(found)
        if records:
            with formatter.section("More" if self._groups else "Options"):
                formatter.write_dl(list(records.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, a line each."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Choice(click.Choice[str]):
    """One of some words, with a guess at what a wrong one meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Click's sentence and ours."""
        return f"{super().get_invalid_choice_message(value, ctx)} {meant(str(value), self.choices).capitalize()}"
