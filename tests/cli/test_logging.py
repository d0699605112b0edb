"""What a library says is printed once."""

import subprocess
import sys

_PROGRAM = """
import click
from hnhub.cli import cli
click.Command.invoke(cli, cli.make_context("hnhub", ["doctor"]))
from huggingface_hub.utils import logging
logging.get_logger("huggingface_hub.utils._http").warning("retrying in 1 s")
"""


def test_the_hubs_client_is_heard_once() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.count("retrying in 1 s") == 1, done.stderr
