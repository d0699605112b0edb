"""Collections."""

import re
from typing import Any

from hub_server.http import Answer, Problem, Request, ok
from hub_server.store import Store

__all__ = ["collection"]


def collection(store: Store, request: Request) -> Answer:
    """/api/collections/..."""
    user, rest = request.user, request.parts[2:]
    if not rest:
        return _list(store, request) if request.method == "GET" else _create(store, request)
    slug = "/".join(rest[:2])
    found = store.collections.get(slug)
    if found is None or (found["private"] and not (user and user.owns(found["owner"]))):
        raise Problem(404, "Collection not found")
    if request.method == "GET":
        return ok(_full(found))
    if user is None or user.role != "write" or not user.owns(found["owner"]):
        raise Problem(403, "You don't have the rights to change this collection")
    found["lastUpdated"] = store.now()
    if rest[2:] == ("items",):
        return _add(store, found, request)
    if len(rest) == 4:
        return _change_item(found, rest[3], request)
    if request.method == "DELETE":
        del store.collections[slug]
        return ok({})
    found |= {
        key: value for key, value in request.json().items() if key in ("title", "description", "private", "theme")
    }
    return ok({"success": True, "data": _full(found)})


def _create(store: Store, request: Request) -> Answer:
    asked, user = request.json(), request.user
    if user is None or user.role != "write" or not user.owns(asked["namespace"]):
        raise Problem(403 if user else 401, "You don't have the rights to make a collection here")
    same = [c for c in store.collections.values() if (c["owner"], c["title"]) == (asked["namespace"], asked["title"])]
    if same:
        raise Problem(409, "Collection already exists", slug=same[0]["slug"])
    number = f"{len(store.collections) + 1:024x}"
    words = re.sub(r"[^a-z0-9]+", "-", asked["title"].lower()).strip("-")
    slug = f"{asked['namespace']}/{words}-{number}"
    store.collections[slug] = {
        "slug": slug, "title": asked["title"], "owner": asked["namespace"], "items": [], "position": 0,
        "lastUpdated": store.now(), "private": asked.get("private", False), "theme": "green", "upvotes": 0,
        "description": asked.get("description"),
    }  # fmt: skip
    return ok(_full(store.collections[slug]))


def _list(store: Store, request: Request) -> Answer:
    query = dict(request.query)
    found = [
        # A list omits each collection's position and all but a few items.
        {**{key: value for key, value in _full(c).items() if key != "position"}, "items": _full(c)["items"][:4]}
        for c in store.collections.values()
        if query.get("owner", c["owner"]) == c["owner"] and _holds(c, query.get("item"))
        and (not c["private"] or (request.user and request.user.owns(c["owner"])))
    ]  # fmt: skip
    return ok(found)


def _holds(found: dict[str, Any], item: str | None) -> bool:
    return item is None or item in [f"{i['type']}s/{i['id']}" for i in found["items"]]


def _full(found: dict[str, Any]) -> dict[str, Any]:
    items = [
        {
            **{k: v for k, v in item.items() if k != "note"},
            "position": position,
            **({"note": {"text": item["note"]}} if item["note"] else {}),
        }
        for position, item in enumerate(found["items"])
    ]
    return {**found, "owner": {"name": found["owner"], "type": "user"}, "items": items}


def _add(store: Store, found: dict[str, Any], request: Request) -> Answer:
    item = request.json()["item"]
    if (item["type"], item["id"]) not in store.repos:
        raise Problem(404, f"No such {item['type']}: {item['id']}")
    if any((i["type"], i["id"]) == (item["type"], item["id"]) for i in found["items"]):
        raise Problem(409, "This item is already in the collection")
    found["items"].append({"_id": f"{len(found['items']) + 1:024x}", **item, "note": request.json().get("note")})
    return ok(_full(found))


def _change_item(found: dict[str, Any], number: str, request: Request) -> Answer:
    items = [item for item in found["items"] if item["_id"] == number]
    if not items:
        raise Problem(404, "No such item")
    if request.method == "DELETE":
        found["items"].remove(items[0])
    elif "note" in request.json():
        items[0]["note"] = request.json()["note"]
    return ok({})
