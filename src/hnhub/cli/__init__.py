"""The command line: parse, call, print. A command's module is imported only when the command runs."""

import importlib
import logging
import sys
import traceback

import click

from hnhub import __version__
from hnhub.errors import HnhubError
from hnhub.text.names import meant
from hnhub.text.terminal import printable

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    # name: (module, what it does, for --help)
    "corpora": ("hnhub.cli.corpora", "List the catalog of corpora."),
    "plan": ("hnhub.cli.plan", "Show what a build would do and cost."),
    "build": ("hnhub.cli.build", "Build a dataset from a corpus."),
    "mine": ("hnhub.cli.mine", "Find hard negatives for pairs that you have."),
    "adapt": ("hnhub.cli.adapt", "Adapt a model to documents, and prove it."),
    "recut": ("hnhub.cli.recut", "Choose other negatives from a dataset's scores."),
    "validate": ("hnhub.cli.dataset", "Check a dataset, rule by rule."),
    "show": ("hnhub.cli.dataset", "Look at rows, side by side across methods."),
    "view": ("hnhub.cli.view", "Write a page to look at and to mark."),
    "audit": ("hnhub.cli.audit", "Measure negatives before anything is trained on them."),
    "card": ("hnhub.cli.dataset", "Render the dataset card from measured facts."),
    "push": ("hnhub.cli.hub", "Publish a dataset: one commit, verified, tagged."),
    "pull": ("hnhub.cli.hub", "Fetch a published dataset as a folder."),
    "diff": ("hnhub.cli.hub", "Show what differs between two datasets."),
    "reproduce": ("hnhub.cli.reproduce", "Build a published dataset again and compare."),
    "export": ("hnhub.cli.export", "Write a dataset in another project's layout."),
    "release": ("hnhub.cli.release", "Build and publish many datasets from a plan file."),
    "train": ("hnhub.cli.learn", "Train a retriever on a dataset."),
    "evaluate": ("hnhub.cli.learn", "Evaluate a retriever on a corpus."),
    "compare": ("hnhub.cli.learn", "Compare variants, with verdicts."),
    "journal": ("hnhub.cli.journal", "Look after the store of requests and answers."),
    "cache": ("hnhub.cli.cache", "Look after what HNHUB_HOME holds."),
    "doctor": ("hnhub.cli.doctor", "Say what is installed and what answers."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}; {meant(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))  # a server's words may be among it


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hnhub")
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, verbose: bool, debug: bool) -> None:
    """Build, check, publish and prove hard-negative training data for dense retrieval."""
    ctx.obj = {"debug": debug}
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(levelname).1s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
    logging.getLogger(
        "huggingface_hub"
    ).propagate = False  # it prints by a handler of its own, which would be once more


def main() -> None:
    """Run the command line and exit with its documented code (docs/cli.md)."""
    debug = "--debug" in sys.argv
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except HnhubError as error:
        if debug:
            traceback.print_exc()
        else:
            click.echo(printable(f"hnhub: {error}"), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("hnhub: interrupted; what was made is kept, the same command goes on from it", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - a full disk, a bug: Python's own status 1 would say that data broke a rule
        if debug:
            traceback.print_exc()
        else:
            told = " ".join(f"{type(error).__name__}: {error}".split())
            click.echo(f"hnhub: {printable(told)}; give --debug before the command to see where", err=True)
        sys.exit(2)
