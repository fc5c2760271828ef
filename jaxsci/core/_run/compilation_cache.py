"""Compiled programs that outlive the process."""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path

import jax

_VARIABLE = "JSCI_COMPILATION_CACHE"


def compilation_cache(path: str | os.PathLike[str] | None = None) -> Path:
    """Keep compiled programs in a folder, where the next process finds them.

    A program is compiled where none is there for the same computation, of the same shapes. Each
    jaxlib and each kind of processor has a folder of its own below `path`: code for one processor
    can crash another, so a folder that several machines share is safe. So have Pythons that
    compress programs differently: what 3.14 keeps, 3.13 cannot read.

    **Arguments:**

    - `path`: the folder, made if it is not there; `~/.cache/jaxsci/programs` by default, or
        `$XDG_CACHE_HOME/jaxsci/programs`.

    **Returns:** the folder of this jaxlib, processor and compression.

    **Raises:** `OSError` if it cannot be written.

    **Notes:** call it before anything is compiled, or set the environment variable
    `JSCI_COMPILATION_CACHE` to a path, or to 1 for the default one. The folder grows without bound,
    and can be deleted at any time. JAX keeps no program that calls Python, as one does that raises
    inside `jit`: give functions that you jit yourself `throw=False`. On some processors XLA logs,
    as errors, tuning hints of its own compiler that it does not recognise when it loads a program,
    such as `prefer-no-gather`; `TF_CPP_MIN_LOG_LEVEL=3` in the environment silences them. Not for
    programs over several processes (`jax.distributed`): one that finds its program here may wait in
    a collective for another that does not.

    ```python
    jsci.compilation_cache()
    ```
    """
    folder = Path(path).expanduser() if path is not None else _default()
    folder = folder / f"{importlib.metadata.version('jaxlib')}-{_processor()}{_compression()}"
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"Compiled programs cannot be kept in {folder}: it is not writable.")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs too: a script runs dozens, and reading them takes a fraction of compiling.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def use_cache_of_environment() -> None:
    """What `JSCI_COMPILATION_CACHE` asks for, if it is set."""
    wanted = os.environ.get(_VARIABLE, "")
    if wanted not in ("", "0"):
        compilation_cache(None if wanted == "1" else wanted)


def _default() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "jaxsci" / "programs"


def _processor() -> str:
    """A hash of the model and features of the processor, where Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    kinds = ("model name", "flags", "Features", "CPU")
    features = sorted({line for line in lines if line.startswith(kinds) or len(lines) == 1})
    text = "\n".join([platform.system(), platform.machine(), *features])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _compression() -> str:
    """A suffix where JAX compresses programs by zstd, which it does if Python has it."""
    return "-zstd" if sys.version_info >= (3, 14) or importlib.util.find_spec("zstandard") else ""
