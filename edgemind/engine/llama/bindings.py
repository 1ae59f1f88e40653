"""The C library itself: a lean import of its bindings, its log, its devices, and the life of native objects.

Not for: anything that knows what a model or a context is.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from edgemind.errors import EdgemindError

LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR = 1, 2, 3, 4
_LOG_CONTINUED = 5
"""ggml's level of a piece that continues the line before it."""

DeviceKind = Literal["cpu", "gpu", "igpu", "accel"]
_DEVICE_KINDS: tuple[DeviceKind, ...] = ("cpu", "gpu", "igpu", "accel")


def lean_import(name: str) -> Any:
    """Import a module of the ``llama_cpp`` package without running the package's ``__init__``.

    ``import llama_cpp`` also imports its chat templates, server types, disk cache and jinja2: 0.02 to 0.08 s, by
    what else is loaded already, that the first token would wait for. It also sends the log elsewhere. For the moment
    of the import an empty package stands in; a later ordinary ``import llama_cpp`` runs the real one and finds the
    same bindings already loaded.
    """
    spec = None if "llama_cpp" in sys.modules else importlib.util.find_spec("llama_cpp")
    if spec is None or spec.submodule_search_locations is None:
        return importlib.import_module(name)
    stand_in = ModuleType("llama_cpp")
    stand_in.__path__ = list(spec.submodule_search_locations)
    stand_in.__spec__ = spec
    sys.modules["llama_cpp"] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules["llama_cpp"]


C: Any = lean_import("llama_cpp.llama_cpp")
"""The C functions and structures of ``llama.h``, by their own names."""


class Handle:
    """A native object that is freed once: by ``close``, at the end of a ``with``, or when it is forgotten."""

    def __init__(self, address: Any, free: Callable[[Any], None]) -> None:
        self._address = address
        self._free = free

    @property
    def raw(self) -> Any:
        """The pointer for the C functions.

        Raises:
            EdgemindError: the object has been closed.
        """
        if not self._address:
            raise EdgemindError(f"A closed {type(self).__name__} was used.")
        return self._address

    @property
    def closed(self) -> bool:
        return not self._address

    def close(self) -> None:
        """Free the native object; doing it twice is fine."""
        address, self._address = self._address, None
        if address:
            self._free(address)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_address", None) and not sys.is_finalizing():
            self.close()


class _Log:
    """Where llama.cpp's lines go: to the sink, and the errors to whoever is recording."""

    def __init__(self) -> None:
        self.sink: Callable[[int, str], None] | None = None
        self.recorders: list[list[str]] = []
        self.level = LOG_INFO
        self.callback = C.llama_log_callback(self._take)
        C.llama_log_set(self.callback, None)

    def _take(self, level: int, text: bytes | None, _: object) -> None:
        continued = level == _LOG_CONTINUED
        if not continued:
            self.level = level
        if self.level < LOG_WARN and self.sink is None:
            return
        line = (text or b"").decode("utf-8", "replace")
        if self.level >= LOG_WARN:
            for recorder in self.recorders:
                if continued and recorder:
                    recorder[-1] += line
                else:
                    recorder.append(line)
        if self.sink is not None:
            self.sink(self.level, line)


_log = _Log()


def set_log(sink: Callable[[int, str], None] | None) -> Callable[[int, str], None] | None:
    """Send llama.cpp's log to ``sink(level, text)``; None, the default, silences it. Returns the sink until now.

    Levels are ``LOG_DEBUG`` to ``LOG_ERROR``; a text usually ends with a newline.
    """
    before, _log.sink = _log.sink, sink
    return before


@contextlib.contextmanager
def recording() -> Iterator[list[str]]:
    """Collect the warnings and errors that llama.cpp logs inside the ``with``."""
    lines: list[str] = []
    _log.recorders.append(lines)
    try:
        yield lines
    finally:
        _log.recorders.remove(lines)


_FUNCTION_PREFIX = re.compile(r"^(?:[\w:~]+: |error loading model: )+")
_EMPTY_WORDS = re.compile(
    r"^failed to (?:load model(?: from .*)?|initialize (?:the context|batch)|load|parse grammar)$"
)


def reason(lines: list[str], otherwise: str = "llama.cpp gave no reason") -> str:
    """The recorded line that says most: the last one that is more than "failed to load model"."""
    said = [_FUNCTION_PREFIX.sub("", line.strip()) for line in lines if line.strip()]
    telling = [line for line in said if not _EMPTY_WORDS.search(line)]
    chosen = (telling or said or [otherwise])[-1]
    return chosen if len(chosen) <= 500 else chosen[:500] + "…"


def is_about_memory(lines: list[str]) -> bool:
    """Whether the recorded lines tell of an allocation that failed."""
    return bool(re.search(r"alloc|out of memory|ENOMEM|bad_alloc", " ".join(lines), re.IGNORECASE))


@dataclass(frozen=True)
class Device:
    """One device that this build of llama.cpp can compute on."""

    name: str
    description: str
    kind: DeviceKind
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class SystemInfo:
    """What this build of llama.cpp offers on this machine."""

    version: str
    supports_gpu: bool
    supports_mmap: bool
    features: str
    """llama.cpp's own line: CPU instruction sets and backends."""
    devices: tuple[Device, ...]


def system() -> SystemInfo:
    """Ask llama.cpp about itself and the devices it sees; opens no model."""
    start_backend()
    return SystemInfo(
        version=_text(C.llama_version()),
        supports_gpu=bool(C.llama_supports_gpu_offload()),
        supports_mmap=bool(C.llama_supports_mmap()),
        features=_text(C.llama_print_system_info()),
        devices=tuple(_devices()),
    )


def start_backend() -> None:
    """Initialize ggml; every call after the first does nothing."""
    global _started
    if not _started:
        C.llama_backend_init()
        _started = True


_started = False


def _devices() -> Iterator[Device]:
    """ggml's device registry, which the Python bindings do not cover (``ggml-backend.h``)."""
    count = ggml("ggml_backend_dev_count", ctypes.c_size_t)
    get = ggml("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    name = ggml("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
    description = ggml("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
    kind = ggml("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
    size_p = ctypes.POINTER(ctypes.c_size_t)
    memory = ggml("ggml_backend_dev_memory", None, ctypes.c_void_p, size_p, size_p)
    if not (count and get and name and description and kind and memory):
        return
    for index in range(count()):
        device = get(index)
        number = kind(device)
        if not 0 <= number < len(_DEVICE_KINDS):
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        memory(device, ctypes.byref(free), ctypes.byref(total))
        yield Device(_text(name(device)), _text(description(device)), _DEVICE_KINDS[number], free.value, total.value)


def ggml(name: str, result: Any, *arguments: Any) -> Any:
    """A function of ggml by name, or None. ``dlsym`` sees a library's dependencies; Windows has to be asked by name."""
    for library in _ggml_libraries():
        function = getattr(library, name, None)
        if function is not None:
            function.restype, function.argtypes = result, list(arguments)
            return function
    return None


def _ggml_libraries() -> Iterator[Any]:
    yield C._lib
    for name in ("ggml", "ggml-base"):
        with contextlib.suppress(FileNotFoundError, RuntimeError):
            yield C.load_shared_library(name, C._base_path)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace").strip()
