"""A Hub with a real client of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub_client.client import Client
from hub_server import HubServer
from hub_server.store import Commit

__all__ = ["READER", "STRANGER", "TOKEN", "Site", "content", "open_site"]

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"
READER = "hf_readonlyreadonlyreadonly0"
STRANGER = "hf_strangerstrangerstranger0"


@dataclass
class Site:
    """A Hub, a client of it, and the user whose token the client has."""

    hub: HubServer
    client: Client
    transport: str
    home: Path
    user: str = "ann"
    names: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def new_name(self) -> str:
        """The name of a repository that is not there yet."""
        return f"{self.user}/{self.transport}-{next(self.names)}"

    def published(self, name: str, folder: Path) -> str:
        """Put a folder into a new repository, without a client; its commit."""
        self.hub.store.create("dataset", name, self.user)
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return self.hub.store.write(name, dict(files), title="Publish 1", user=self.user)

    def commits(self, name: str) -> list[Commit]:
        """The repository's commits, the newest first."""
        repo = self.hub.store.repos.get(("dataset", name))
        return repo.log("main") if repo else []

    def push(self, folder: Path, repo: str, **target: Any) -> dict[str, Any]:
        """Push, and give what it returned."""
        answer = self.client("push", folder=folder, repo=repo, **target)
        assert "value" in answer, answer
        done: dict[str, Any] = answer["value"]
        return done


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def open_site(transport: str, home: Path) -> Iterator[Site]:
    """A site for `lfs`, `multipart` (LFS with files in parts of 1000 bytes) or `xet`."""
    with HubServer(part_size=1000 if transport == "multipart" else 5_000_000) as hub:
        hub.add_user(TOKEN, "ann", orgs=("acme",))
        hub.add_user(READER, "ann", role="read", orgs=("acme",))
        hub.add_user(STRANGER, "bob")
        with Client(hub.url, home, TOKEN, xet=transport == "xet") as client:
            yield Site(hub, client, transport, home)
