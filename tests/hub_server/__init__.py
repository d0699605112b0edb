"""A small, faithful Hub for tests: real sockets, a content-addressed store, faults on demand, a log of requests.

    store.py        blobs, commits, repositories, refs: what is kept
    faults.py       what goes wrong, and when
    http.py         requests and answers: parsing, errors, the log
    repos.py        accounts, repositories, trees, refs, pull requests
    uploads.py      preupload, LFS (single and multipart), Xet tokens, commits
    downloads.py    resolve: ranges, redirects of LFS files to the other origin
    collections.py  collections
    xet.py          what a Xet client stored in its `local://` CAS
    server.py       the server: routes, who may do what, start and stop

It forgets everything when it stops. What is an assumption about the real Hub says so where it stands.
"""

from hub_server.faults import Fault
from hub_server.server import HubServer

__all__ = ["Fault", "HubServer"]
