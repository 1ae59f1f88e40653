"""The environment a worker is started with: an allow-list, never a copy.

Not for: the ui's own environment, which stays the user's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_KEPT = {
    "COMSPEC",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_VISIBLE_DEVICES",
    "EDGEMIND_HOME",
    "GOMP_CPU_AFFINITY",
    "HIP_VISIBLE_DEVICES",
    "HOME",
    "HSA_OVERRIDE_GFX_VERSION",
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",  # CUDA builds find their libraries by it
    "LLAMA_CPP_LIB_PATH",
    "MKL_NUM_THREADS",
    "NUMBER_OF_PROCESSORS",
    "PATHEXT",
    "ROCR_VISIBLE_DEVICES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TZ",
    "USERPROFILE",
    "WINDIR",
}
_KEPT_PREFIXES = ("GGML_", "KMP_", "LC_", "OMP_", "VK_ICD_", "XPU_")
_NEVER = ("KEY", "PASSWORD", "PROXY", "SECRET", "TOKEN")
_MINIMAL_PATH = "/usr/local/bin:/usr/bin:/bin"


def scrubbed_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a worker: an allow-list of this process's own, fixed offline settings, then ``extra``.

    Proxies, tokens, LD_PRELOAD and PYTHON* variables never pass, and so does no variable that is not on the list.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _KEPT or name.upper().startswith(_KEPT_PREFIXES))
        and not any(word in name.upper() for word in _NEVER)
    }
    kept["PATH"] = os.environ.get("PATH", "") if sys.platform == "win32" else _MINIMAL_PATH
    kept |= {
        "GGML_NO_BACKTRACE": "1",  # ggml starts gdb from PATH on abort otherwise
        "OPENBLAS_NUM_THREADS": "1",  # else NumPy starts threads on import, which Landlock before ABI 8 does not reach
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",  # looking for them costs a start 13 ms
        "PYTHONSAFEPATH": "1",
        "PYTHONUTF8": "1",
    }
    if not _lives_in_user_site():
        kept["PYTHONNOUSERSITE"] = "1"
    return kept | dict(extra or {})


def _lives_in_user_site() -> bool:
    import site

    user_site = os.path.realpath(site.getusersitepackages()) + os.sep
    return any(os.path.realpath(path).startswith(user_site) for path in (__file__, *_dependency_files()))


def _dependency_files() -> list[str]:
    """Where the interpreter would find what a worker needs besides this package, without importing it."""
    import importlib.util

    found = (importlib.util.find_spec(name) for name in ("numpy", "jinja2"))
    return [spec.origin for spec in found if spec is not None and spec.origin]
