"""The connection to the Hub: a client with a time limit, what is tried again, and failures in words.

Nothing here or in the modules beside it may print or keep a token: errors carry the server's message and the path that
was asked, never headers.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from hnhub.errors import HnhubError, ServiceError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["check_repo_name", "connect", "fetch", "is_passing", "retry"]

log = logging.getLogger(__name__)

_ATTEMPTS = 6
_ATTEMPTS_UNREACHED = 3
"""Where nothing is sent yet and there is no connection at all: without a network nobody should wait for half a minute."""
_LONGEST_WAIT = 600.0
"""Seconds. A Hub that asks for more is not waited for."""
_PASSING = {408, 409, 412, 425, 429}
"""Statuses after which to look again; 5xx too."""

T = TypeVar("T")


def connect(timeout: float = 100.0, *, writing: bool = True) -> "HfApi":
    """A client for `HF_ENDPOINT` with the user's own token; no answer may take longer than `timeout` seconds.

    Without this limit a Hub that hangs is waited for without end, also where a call of the client says `timeout=None`.
    Raises UsageError if the user is not logged in and means to write; what is public can be read without a token.
    """
    from huggingface_hub import HfApi, get_token, set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    if writing and not get_token():
        raise UsageError("no Hub token was found", do="run `hf auth login`, or set HF_TOKEN")

    def limit(request: object) -> None:
        limits = request.extensions["timeout"]  # type: ignore[attr-defined]
        for part, seconds in limits.items():
            limits[part] = timeout if seconds is None else min(seconds, timeout)

    def make() -> object:
        client = default_client_factory()
        client.timeout = timeout
        hooks = client.event_hooks
        client.event_hooks = {**hooks, "request": [*hooks["request"], limit]}
        return client

    set_client_factory(make)  # type: ignore[arg-type]
    return HfApi(library_name="hnhub")


def check_repo_name(repo: str) -> str:
    """Return a `NAMESPACE/NAME`. Raises UsageError if it is not one."""
    if not re.fullmatch(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}", repo) or ".." in repo or repo.endswith(".git"):
        raise UsageError(f"{repo!r} is not the name of a repository", do="give NAMESPACE/NAME")
    return repo


def fetch(api: "HfApi", repo: str, revision: str, path: str, *, kind: str = "dataset") -> bytes:
    """A small file of a repository, from the Hub and from no cache."""
    from huggingface_hub import get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    url = hf_hub_url(repo, path, repo_type=kind, revision=revision, endpoint=api.endpoint)
    response = get_session().get(url, headers=build_hf_headers(token=api.token))
    hf_raise_for_status(response)
    return response.content


def retry(step: Callable[[], T], what: str, *, first: bool = False, sleep: Callable[[float], None] = time.sleep) -> T:
    """Do a step of which each try first looks whether it is still to do, and try it again after a passing failure.

    Between tries it waits for as long as the Hub asks. `first`: nothing is sent yet, so a Hub that can't be reached at all is
    soon given up. Raises UsageError where the user has to act (token, rights, names),
    ServiceError after `_ATTEMPTS` tries or when the Hub refuses for good.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return step()
        except HnhubError:
            raise
        except Exception as error:
            if not is_passing(error):
                raise _for_good(error, what) from error
            wait = _wait(error, attempt)
            most = _ATTEMPTS_UNREACHED if first and isinstance(error, _http_library().ConnectError) else _ATTEMPTS
            if attempt >= most or wait > _LONGEST_WAIT:
                why = f"asks to wait {wait:.0f} s" if wait > _LONGEST_WAIT else f"failed {attempt} times"
                raise ServiceError(
                    f"{what}: the Hub {why}: {_words(error)}",
                    do="give the same command again later, it goes on from there",
                ) from error
            log.warning("%s: %s; looking again in %.0f s", what, _words(error), wait)
            sleep(wait)
    raise AssertionError("unreachable")


def _status(error: BaseException) -> int | None:
    from huggingface_hub.errors import HfHubHTTPError

    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def is_passing(error: BaseException) -> bool:
    """Whether the failure may pass. A commit may have landed all the same: the next try looks first."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if status is not None:
        return status in _PASSING or status >= 500
    if isinstance(error, RuntimeError):
        # A failed LFS upload comes wrapped, a failed Xet upload bare. Only one for lack of rights stays.
        return error.__cause__ is None or _status(error.__cause__) not in (401, 403)
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        return is_passing(error.__cause__)  # a failed download, wrapped
    # A gateway's page where JSON should be; no connection, or one that broke.
    return isinstance(error, JSONDecodeError | ConnectionError | TimeoutError | _http_library().TransportError)


def _http_library() -> ModuleType:
    """The client's: `httpx` under huggingface_hub 1, `httpx2` under 2."""
    from huggingface_hub import get_session

    return sys.modules[type(get_session()).__module__.partition(".")[0]]


def _wait(error: BaseException, attempt: int) -> float:
    """Seconds until the next try: what the Hub asks for, or 1, 2, 4, ..."""
    from huggingface_hub.errors import HfHubHTTPError

    asked = _asked_wait(error.response.headers) if isinstance(error, HfHubHTTPError) else None
    return min(2.0 ** (attempt - 1), 30.0) if asked is None else asked


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: `ratelimit` counts only when nothing remains."""
    limit = re.search(r"r\s*=\s*(\d+)\s*;\s*t\s*=\s*(\d+)", headers.get("ratelimit", ""))
    if limit and int(limit[1]) == 0:
        return float(limit[2]) + 1
    after = headers.get("retry-after", "").strip()
    if after.isdigit():
        return float(after)
    try:
        return max(parsedate_to_datetime(after).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    """An error in words, on one line, without a token."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        message = error.server_message or error.response.reason_phrase
        request = error.response.request
        text = f"{error.response.status_code} for {request.method} {urlsplit(str(request.url)).path}: {message}"
    else:
        text = str(error)
        root = _words(error.__cause__) if error.__cause__ else ""
        text = (text if root in text else f"{text} {root}").strip() or type(error).__name__
    return re.sub(r"hf_\w{8,}", "hf_***", " ".join(text.split()))[:500]


def _for_good(error: Exception, what: str) -> Exception:
    """A failure that will not pass, as ours; an error of another kind as it is."""
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    cause = error if _status(error) is not None else error.__cause__ or error
    status, words = _status(cause), _words(cause)
    known: list[tuple[bool, type[HnhubError], str, str]] = [
        (
            isinstance(cause, RepositoryNotFoundError) and not isinstance(cause, GatedRepoError),
            UsageError, "no such dataset repository on the Hub, or not for this token", "check name and token",
        ),
        (isinstance(error, OfflineModeIsEnabled), UsageError, "HF_HUB_OFFLINE keeps the Hub away", "unset it"),
        (isinstance(cause, RevisionNotFoundError), UsageError, "no such revision on the Hub", "give a branch, tag or commit"),
        (status == 401, UsageError, f"the Hub refused the token: {words}", "run `hf auth login`, or set HF_TOKEN"),
        (status == 403, UsageError, words, "use a token that may do this"),
        (status is not None, ServiceError, f"the Hub refused: {words}", "run with --debug for the whole error"),
        (isinstance(error, ValueError) and "README.md" in words, UsageError, words, "render the card again"),
    ]  # fmt: skip
    return next((kind(f"{what}: {why}", do=do) for holds, kind, why, do in known if holds), error)
