"""A comparison's results as files: results.json, results.md, plots, and the rows that a dataset's card prints."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hnhub.errors import MissingExtra
from hnhub.stages import write_atomically

__all__ = ["card_rows", "render_results", "write_results"]


def write_results(out: Path, results: Mapping[str, Any]) -> None:
    """Write everything into `out`. The same results give the same bytes."""
    text = {**results, "training": card_rows(results)}
    write_atomically(out / "results.json", json.dumps(text, indent=1, ensure_ascii=False) + "\n")
    for comparison in results["comparisons"]:
        for measure in results["plan"]["measures"]:
            name = _plot_name(comparison, measure)
            write_atomically(out / "plots" / name, _plot(results["plan"], comparison, measure))
    write_atomically(out / "results.md", render_results(results))


def card_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a trained variant, corpus and measure, against the baseline: what `facts["training"]` of a card takes."""
    plan: Mapping[str, Any] = results["plan"]
    rows: list[dict[str, Any]] = []
    for comparison in results["comparisons"]:
        for measure, conclusions in comparison["parts"]["all"]["conclusions"].items():
            means = comparison["parts"]["all"]["means"][measure]
            rows.extend(
                {
                    "model": comparison["model"],
                    "variant": c["system"],
                    "corpus": f"{comparison['corpus']} ({comparison['split']})",
                    "metric": measure,
                    "value": f"{means[c['system']]['mean']:.4f}",
                    "against": c["baseline"],
                    "difference": f"{c['difference']:+.4f}",
                    "low": f"{c['low']:+.4f}",
                    "high": f"{c['high']:+.4f}",
                    "verdict": c["verdict"],
                }
                for c in conclusions
                if c["baseline"] == plan["baseline"] and plan["variants"][c["system"]]["dataset"]
            )
    return rows


def render_results(results: Mapping[str, Any]) -> str:
    """results.md: for each corpus and model one table and the plain sentences."""
    plan = results["plan"]
    lines = [
        "# Comparison",
        "",
        (
            f"Differences are to `{plan['baseline']}`; {plan['test']} tests, paired over queries, Holm-corrected within a corpus,"
            f" model and measure, at {plan['alpha']:g}; equivalence by two one-sided tests with a margin of {plan['margin']:g}."
            f" Means are over seeds {', '.join(map(str, plan['seeds']))} where there was training (± their standard deviation);"
            " brackets hold bootstrap intervals over queries."
        ),
    ]
    for comparison in results["comparisons"]:
        for part, found in comparison["parts"].items():
            lines += ["", f"## {comparison['corpus']} ({comparison['split']}), {comparison['model']}{_which(part)}", ""]
            lines.append(_seen(comparison, part, found["queries"]))
            lines += ["", *_table(plan, found), ""]
            lines += [f"- {c['sentence']}" for measure in plan["measures"] for c in found["conclusions"][measure]]
            if part == "all":
                lines += ["", *(f"![{m}](plots/{_plot_name(comparison, m)})" for m in plan["measures"])]
    return "\n".join(lines) + "\n"


def _which(part: str) -> str:
    return ", without contaminated queries" if part == "clean" else ""


def _seen(comparison: Mapping[str, Any], part: str, queries: int) -> str:
    number = comparison["contaminated_queries"]
    if part == "clean":
        return f"{queries:,} queries: those with no relevant passage among any variant's training positives."
    return f"{queries:,} queries; {number:,} of them have a relevant passage that was a positive in training, or nearly was."


def _table(plan: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    measures = plan["measures"]
    lines = [
        "| variant | " + " | ".join(f"{m} | Δ | verdict" for m in measures) + " |",
        "|---|" + "---:|---:|---|" * len(measures),
    ]
    for name in plan["variants"]:
        cells = [f"`{name}`"]
        for measure in measures:
            mean = found["means"][measure][name]
            spread = f" ± {mean['sd_over_seeds']:.4f}" if mean["sd_over_seeds"] is not None else ""
            against = [
                c for c in found["conclusions"][measure] if (c["system"], c["baseline"]) == (name, plan["baseline"])
            ]
            c = against[0] if against else None
            delta = f"{c['difference']:+.4f} [{c['low']:+.4f}, {c['high']:+.4f}]" if c else ""
            cells += [f"{mean['mean']:.4f}{spread}", delta, c["verdict"] if c else "baseline"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _plot_name(comparison: Mapping[str, Any], measure: str) -> str:
    plain = "".join(ch if ch.isalnum() else "-" for ch in f"{comparison['corpus']}-{comparison['model']}-{measure}")
    return f"{plain}.png"


def _plot(plan: Mapping[str, Any], comparison: Mapping[str, Any], measure: str) -> bytes:
    """Differences to the baseline with their intervals, and the margin of equivalence as a band."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", extra="models") from None
    rows = [c for c in comparison["parts"]["all"]["conclusions"][measure] if c["baseline"] == plan["baseline"]]
    figure = Figure(figsize=(6.4, 1.2 + 0.4 * len(rows)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-plan["margin"], plan["margin"], color="#dddddd", label=f"margin of equivalence, {plan['margin']:g}")
    axes.axvline(0, color="black", linewidth=0.8)
    for y, c in enumerate(rows):
        axes.plot([c["low"], c["high"]], [y, y], color="#1f4e79")
        axes.plot([c["difference"]], [y], "o", color="#1f4e79")
    axes.set_yticks(range(len(rows)), [f"{c['system']}: {c['verdict']}" for c in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"{measure} minus {plan['baseline']}'s, {1 - plan['alpha']:.0%} interval over queries")
    axes.set_title(f"{comparison['corpus']} ({comparison['split']}), {comparison['model']}", fontsize=10)
    axes.legend(loc="best", fontsize=7)
    data = io.BytesIO()
    # No version of the library in the file: the bytes depend on the results alone (and on the drawing code).
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
