"""Float64, strict shapes and the persistent compilation cache for the whole suite."""

import importlib
import os
import pathlib

# Loading from the cache logs, as errors, tuning hints of the compiler that it does not recognise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import pytest

# One cache per jaxlib and machine: XLA's CPU code must not travel between processor types.
_CACHE = pathlib.Path(__file__).parents[1] / ".cache" / f"jax-{jax.__version__}"

jax.config.update("jax_enable_x64", os.environ.get("JSCI_TEST_X64", "1") != "0")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", str(_CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# Where every optional package is installed, one that cannot be imported is an error, not a skip.
if os.environ.get("JSCI_TEST_REQUIRE"):
    pytest.importorskip = importlib.import_module


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Compiled programs hold memory maps; at 65,530 of these Linux lets a process crash."""
    yield
    jax.clear_caches()


@pytest.fixture
def key():
    return jax.random.key(0)
