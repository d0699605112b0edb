"""Who may import whom. The table is data here, checked against the code, and printed into docs/design.md from here."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hnhub"

FOUNDATION = ("errors", "records", "schema", "progress", "stages", "home", "marks", "text")

# room -> (rooms of hnhub that it may import, third parties that it may import)
TABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "errors": ((), ()),
    "records": (("errors",), ()),
    "schema": ((), ("polars", "pyarrow", "datasets")),
    "progress": (("text",), ("datasets", "IPython", "rich")),
    "stages": (("errors",), ("pyarrow",)),
    "home": ((), ()),
    "marks": (("errors", "records", "stages"), ()),
    "text": (("errors", "records"), ("numpy", "polars", "pyarrow", "py3langid")),
    "corpus": (
        FOUNDATION,
        ("polars", "pyarrow", "huggingface_hub", "bs4", "markdownify", "markitdown", "semchunk"),
    ),
    "llm": (
        FOUNDATION,
        ("httptools", "huggingface_hub", "xllamacpp", "gguf", "transformers", "jinja2", "jsonschema", "json_repair"),
    ),
    "engine": ((*FOUNDATION, "llm"), ("ray",)),
    "bm25": (FOUNDATION, ("numpy", "numba", "pyarrow", "Stemmer", "tokenizers", "bm25s", "rank_bm25")),
    "encode": (
        FOUNDATION,
        (
            "numpy",
            "numba",
            "polars",
            "pyarrow",
            "torch",
            "transformers",
            "sentence_transformers",
            "huggingface_hub",
            "faiss",
        ),
    ),
    "score": (
        (*FOUNDATION, "llm", "encode"),
        ("numpy", "torch", "transformers", "sentence_transformers", "gguf", "openvino", "tokenizers"),
    ),
    "queries": ((*FOUNDATION, "llm", "bm25"), ("numpy", "polars", "pyarrow")),
    "negatives": (
        (*FOUNDATION, "engine", "llm", "bm25", "encode", "score"),
        ("numpy", "polars", "pyarrow"),
    ),
    "rows": (FOUNDATION, ("numpy", "polars", "pyarrow", "yaml")),
    "layouts": ((*FOUNDATION, "rows"), ("polars", "yaml")),
    "publish": (
        (*FOUNDATION, "corpus", "rows"),
        ("polars", "pyarrow", "datasets", "fsspec", "huggingface_hub", "jinja2", "matplotlib", "yaml"),
    ),
    "auditing": ((*FOUNDATION, "rows"), ("numpy", "polars", "sklearn")),
    "viewer": ((*FOUNDATION, "rows"), ("polars", "jinja2")),
    "learn": (
        (*FOUNDATION, "corpus", "bm25", "encode", "score"),
        (
            "numpy",
            "polars",
            "pyarrow",
            "scipy",
            "datasets",
            "huggingface_hub",
            "torch",
            "transformers",
            "sentence_transformers",
            "peft",
            "matplotlib",
            "ir_measures",
            "mteb",
        ),
    ),
    "adaptation": ((*FOUNDATION, "learn"), ("numpy", "polars", "jinja2")),
    "pipeline": (
        (*FOUNDATION, "engine", "corpus", "llm", "bm25", "score", "queries", "negatives", "rows", "publish"),
        (),
    ),
    "forecast": (
        (*FOUNDATION, "pipeline", "corpus", "llm", "bm25", "encode", "score", "queries", "negatives"),
        ("numpy", "polars"),
    ),
    "api": (
        (
            *FOUNDATION,
            "engine",
            "corpus",
            "llm",
            "bm25",
            "encode",
            "score",
            "queries",
            "negatives",
            "rows",
            "layouts",
            "publish",
            "learn",
            "adaptation",
            "pipeline",
            "forecast",
            "viewer",
            "auditing",
        ),
        ("datasets", "mteb", "pandas", "polars", "pyarrow", "sentence_transformers", "sklearn"),
    ),
}


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in SOURCE.rglob("*.py") if room_of(path) in TABLE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_module_imports_only_what_the_table_allows(path: Path) -> None:
    import sys

    rooms, parties = TABLE[room_of(path)]
    for name in sorted(imports(path)):
        top, _, rest = name.partition(".")
        if top == "hnhub":
            room = rest.partition(".")[0]
            assert not rest or room in (*rooms, room_of(path), "__version__"), f"{path}: imports {name}"
        elif top not in sys.stdlib_module_names:
            assert top in parties, f"{path}: imports {name}"


def test_every_room_stands_in_the_table() -> None:
    """The command line may import anything (inside functions); everything else has a row."""
    rooms = {room_of(path) for path in SOURCE.rglob("*.py")} - {"__init__", "__main__", "cli", "builders"}
    assert rooms <= set(TABLE), rooms - set(TABLE)


def test_miners_never_import_each_other() -> None:
    """What starts with an underscore is a part of a miner, or shared by them."""
    folder = SOURCE / "negatives"
    miners = {"bm25", "dense", "hybrid", "cross_encoder", "llm"}
    for miner in sorted(miners):
        siblings = {f"hnhub.negatives.{other}" for other in miners - {miner}}
        assert not imports(folder / f"{miner}.py") & siblings


def test_publishing_to_the_hub_stays_out_of_the_pipeline() -> None:
    assert not [
        name for name in imports(SOURCE / "pipeline" / "run.py") if "publish.hub" in name or "publish.push" in name
    ]
