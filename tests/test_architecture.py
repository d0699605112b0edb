"""Who may import whom. The table is data here, checked against the code, and printed into docs/design.md from here."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "hnhub"

FOUNDATION = ("errors", "records", "schema", "progress", "stages", "home", "text")

# room -> (rooms of hnhub that it may import, third parties that it may import)
TABLE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "errors": ((), ()),
    "records": ((), ()),
    "schema": ((), ("polars", "pyarrow", "datasets")),
    "progress": ((), ()),
    "stages": (("errors",), ("pyarrow",)),
    "home": ((), ()),
    "engines": ((), ()),
    "text": ((), ("numpy", "polars")),
    "recipes": (FOUNDATION, ()),
    "corpus": (FOUNDATION, ("polars", "pyarrow", "huggingface_hub")),
    "llm": (FOUNDATION, ("aiohttp", "huggingface_hub", "xllamacpp", "gguf", "transformers", "jinja2")),
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
    "queries": ((*FOUNDATION, "llm"), ("numpy", "polars", "pyarrow")),
    "negatives": (
        (*FOUNDATION, "engines", "llm", "encode"),
        (
            "numpy",
            "polars",
            "pyarrow",
            "numba",
            "Stemmer",
            "tokenizers",
            "torch",
            "transformers",
            "sentence_transformers",
            "gguf",
            "bm25s",
            "rank_bm25",
        ),
    ),
    "rows": (FOUNDATION, ("numpy", "polars", "pyarrow", "yaml")),
    "publish": (
        (*FOUNDATION, "corpus", "rows"),
        ("polars", "pyarrow", "datasets", "fsspec", "huggingface_hub", "jinja2", "matplotlib", "yaml"),
    ),
    "learn": (
        (*FOUNDATION, "corpus", "encode"),
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
            "matplotlib",
            "ir_measures",
        ),
    ),
    "ray_engine": (FOUNDATION, ("ray",)),
    "ray_model": ((*FOUNDATION, "llm", "ray_engine"), ("ray",)),
    "release": ((*FOUNDATION, "recipes", "publish"), ()),
    "calibrate": ((*FOUNDATION, "encode", "negatives"), ("numpy",)),
    "forecast": ((*FOUNDATION, "build", "corpus", "calibrate", "llm", "miners", "negatives"), ("polars",)),
    "build": ((*FOUNDATION, "engines", "corpus", "llm"), ()),
    "miners": ((*FOUNDATION, "build", "negatives"), ()),
    "pipeline": ((*FOUNDATION, "engines", "build", "miners", "corpus", "queries", "negatives", "rows", "publish"), ()),
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
    assert not [name for name in imports(SOURCE / "pipeline.py") if "publish.hub" in name or "publish.push" in name]
