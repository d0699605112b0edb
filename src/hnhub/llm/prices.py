"""Prices as data: a TOML or JSON file, model -> what a million tokens read and a million written cost.

["gpt-5-mini"]
input = 0.25
output = 2.0
batch = 0.5      # what a batch costs, as a share of these; half where nothing is said
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnhub.errors import InputError
from hnhub.llm.budget import Prices

__all__ = ["BATCH", "PriceList", "dearest", "read_prices"]

BATCH = 0.5
"""The share of the price that a batch costs, where a price list says nothing else."""
_KEYS = {"input", "output", "batch"}


@dataclass(frozen=True)
class PriceList:
    """What models cost; the same for every one where `models` is empty."""

    models: Mapping[str, tuple[Prices, float]]
    """By name: prices, and the share of them that a batch costs."""
    where: str = "--price"
    others: Prices | None = None
    """Of a model that is not named."""

    def of(self, model: str, *, batch: bool = False) -> Prices | None:
        """The prices of a model as the endpoint names it; None if they are not known."""
        prices, share = self.models.get(model, (self.others, BATCH))
        return prices.times(share) if prices and batch else prices


def dearest(prices: Iterable[Prices | None]) -> Prices | None:
    """Of several models' prices those that cost the most; None if none is known."""
    return max((one for one in prices if one), key=lambda one: one.cost(1, 1), default=None)


def read_prices(path: Path) -> PriceList:
    """Read a price list. Raises InputError that names what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: can't be read as a price list ({error})", do="see docs/llm.md for its form"
        ) from error
    if not isinstance(table, dict) or not table:
        raise InputError(f"{path}: names no model", do='write ["MODEL"], input = ..., output = ...')
    return PriceList({model: _prices(path, model, row) for model, row in table.items()}, str(path))


def _prices(path: Path, model: str, row: Any) -> tuple[Prices, float]:
    if not isinstance(row, dict) or not {"input", "output"} <= set(row) <= _KEYS:
        raise InputError(f"{path}: {model}: has not input and output (and perhaps batch)", do="see docs/llm.md")
    if bad := [name for name, value in row.items() if isinstance(value, bool) or not _is_price(value)]:
        raise InputError(
            f"{path}: {model}: {bad[0]} is no number of 0 or more", do="give the price of a million tokens"
        )
    return Prices(float(row["input"]), float(row["output"])), float(row.get("batch", BATCH))


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and value >= 0
