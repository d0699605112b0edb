"""The page as one HTML file: template, style and script of this room, and the data in it, compressed."""

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnhub import __version__

if TYPE_CHECKING:
    import jinja2

__all__ = ["render"]

_FOLDER = Path(__file__).parent / "page"
_SCRIPTS = ("text.js", "list.js", "marks.js", "detail.js", "numbers.js", "page.js")


def render(data: Mapping[str, Any], *, served: bool = False) -> str:
    """The page of what `read_view` returned: equal data give equal bytes. `served`: its marks go to the server it came from.

    Nothing can be fetched by it, and no script runs in it but ours: its policy names the hashes of both. Texts are
    in the data only, and get into the document as text nodes.
    """
    text = json.dumps({**data, "served": served}, ensure_ascii=False, separators=(",", ":"))
    script, style = _script(), _style()
    allowed = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "connect-src": "'self'" if served else "'none'",
        "img-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return _template().render(
        title=data["corpus"]["title"],
        version=__version__,
        policy="; ".join(f"{name} {value}" for name, value in allowed.items()),
        style=style,
        script=script,
        data=base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode(),
    )


@functools.cache
def _script() -> str:
    parts = [(_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return "\n".join(['"use strict";', *parts])


@functools.cache
def _style() -> str:
    return (_FOLDER / "page.css").read_text(encoding="utf-8")


@functools.cache
def _template() -> "jinja2.Template":
    import jinja2

    loader = jinja2.PackageLoader("hnhub", "viewer/page")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=True)
    return environment.get_template("page.html.j2")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
