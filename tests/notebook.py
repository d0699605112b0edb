"""docs/quickstart.ipynb out of docs/python.md, so that both say the same."""

import json
import re


def notebook(page: str) -> str:
    """The page as a notebook: its text as Markdown cells, its Python as code cells, no outputs."""
    cells = []
    for number, part in enumerate(re.split(r"^```python\n(.*?)^```\n", page, flags=re.MULTILINE | re.DOTALL)):
        text = part.strip("\n")
        if not text:
            continue
        lines = [line + "\n" for line in text.split("\n")]
        lines[-1] = lines[-1].rstrip("\n")
        cell = {
            "cell_type": "code" if number % 2 else "markdown",
            "id": f"cell-{number}",
            "metadata": {},
            "source": lines,
        }
        cells.append(cell | ({"execution_count": None, "outputs": []} if number % 2 else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}}}
    return json.dumps({**whole, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"
