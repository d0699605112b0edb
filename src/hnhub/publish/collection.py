"""Collections: found or made, items added once, notes kept current."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["add_to_collection"]

_SLUG = re.compile(r"[\w.-]+/[\w.-]+-[0-9a-f]{24}")


def add_to_collection(
    api: "HfApi", repo: str, collection: str, note: str | None = None, *, private: bool = False
) -> str:
    """Put a dataset into a collection and return its slug.

    `collection` is a slug (`owner/title-` and 24 hex digits) or a title in the repository's namespace, made if it is missing. Doing it
    again changes nothing, unless the note (at most 500 characters) is another. The client's errors pass through.
    """
    slug = (
        collection
        if _SLUG.fullmatch(collection)
        else _find_or_make(api, repo.split("/", maxsplit=1)[0], collection, private=private)
    )
    items = [i for i in api.get_collection(slug).items if (i.item_type, i.item_id) == ("dataset", repo)]
    if not items:
        api.add_collection_item(slug, repo, "dataset", note=note, exists_ok=True)
    elif note and items[0].note != note:
        api.update_collection_item(slug, items[0].item_object_id, note=note)
    return slug


def _find_or_make(api: "HfApi", owner: str, title: str, *, private: bool) -> str:
    same = [found for found in api.list_collections(owner=owner) if found.title == title]
    return (same or [api.create_collection(title, namespace=owner, private=private, exists_ok=True)])[0].slug
