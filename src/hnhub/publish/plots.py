"""The card's plots, as PNG files: equal facts give equal bytes with the same Matplotlib."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnhub.stages import write_atomically

__all__ = ["draw_plots"]

_POSITIVE, _NEGATIVE = "#4477aa", "#cc6677"


def draw_plots(folder: Path, stats: Mapping[str, Any]) -> None:
    """Write plots/lengths.png and plots/overlap.png for the methods whose texts were measured."""
    from matplotlib.figure import Figure

    methods = {method: facts for method, facts in stats["methods"].items() if "words" in facts}
    height = 0.7 + 1.6 * len(methods)
    figure = Figure(figsize=(7, height))
    # Fixed margins: laying out by what is drawn takes as long as the drawing.
    figure.subplots_adjust(left=0.1, right=0.98, top=1 - 0.3 / height, bottom=0.5 / height, hspace=0.4)
    axes = figure.subplots(len(methods), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (method, facts) in zip(axes, methods.items(), strict=True):
        for side, colour in (("positive", _POSITIVE), ("negative", _NEGATIVE)):
            if facts["words"][side]["count"]:
                histogram = facts["words"][side]["histogram"]
                share = [100 * count / facts["words"][side]["count"] for count in histogram["counts"]]
                edges = [i * histogram["bin_width"] for i in range(len(share) + 1)]
                axis.stairs(share, edges, color=colour, label=f"{side}s", linewidth=1.5)
        axis.set_title(method, loc="left", fontsize=10)
        axis.set_ylabel("% of texts")
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(frameon=False)
    axes[-1].set_xlabel("words (the last bin holds all that are longer)")
    _save(figure, folder / "plots" / "lengths.png")

    figure = Figure(figsize=(7, 3))
    figure.subplots_adjust(left=0.1, right=0.98, top=0.96, bottom=0.12)
    axis = figure.subplots()
    overlaps = {method: facts["overlap"] for method, facts in methods.items() if "overlap" in facts}
    for offset, key, colour in ((-0.2, "query_in_positive", _POSITIVE), (0.2, "query_in_negative", _NEGATIVE)):
        heights = [100 * (overlap[key] or 0) for overlap in overlaps.values()]
        places = [place + offset for place in range(len(heights))]
        axis.bar(places, heights, 0.38, color=colour, label=f"in {'positives' if offset < 0 else 'negatives'}")
    axis.set_xticks(range(len(overlaps)), list(overlaps))
    axis.set_ylabel("% of the query's words")
    axis.set_xlim(-0.6, max(3, len(overlaps)) - 0.4)
    axis.set_ylim(0, 100)
    axis.legend(frameon=False)
    _save(figure, folder / "plots" / "overlap.png")


def _save(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())
