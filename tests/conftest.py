"""Float64, strict shapes, the compilation cache, and counting what is compiled and fuzzed."""

import collections
import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import sys

# Loading from the cache logs, as errors, tuning hints of the compiler that it does not recognise.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.monitoring
import pytest
from parts import check_part, in_part


def _processor():
    """Its model and features, where Linux says them: XLA's code for one may crash another."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else [platform.processor()]
    lines = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU"))}
    return "\n".join([platform.machine(), *sorted(lines)])


def _cache():
    """Where compiled programs are kept: outside the checkout, one folder per jaxlib, processor and
    compression, which is zstd where Python has it.

    JSCI_TEST_CACHE names another folder; 0 keeps none, as does a home without write access.
    """
    wanted = os.environ.get("JSCI_TEST_CACHE", "")
    if wanted == "0":
        return None
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    processor = hashlib.sha256(_processor().encode()).hexdigest()[:12]
    own = f"{importlib.metadata.version('jaxlib')}-{processor}"
    if sys.version_info >= (3, 14) or importlib.util.find_spec("zstandard"):
        own += "-zstd"
    folder = pathlib.Path(wanted or home / "jaxsci" / "tests") / own
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # a home that cannot be written
    return str(folder)


jax.config.update("jax_enable_x64", os.environ.get("JSCI_TEST_X64", "1") != "0")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_compilation_cache_dir", _cache())
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# A mean field of PySCF opens a file that, collected in a cycle, warns in whichever test then runs.
if importlib.util.find_spec("pyscf"):
    importlib.import_module("pyscf.scf.hf").MUTE_CHKFILE = True

# Where every optional package is installed, one that cannot be imported is an error, not a skip.
if os.environ.get("JSCI_TEST_REQUIRE"):
    pytest.importorskip = lambda name, *_, **__: importlib.import_module(name)


def pytest_collection_modifyitems(config, items):
    """Of the slow tests, keep one part where JSCI_SLOW_PART asks for it."""
    if not (wanted := os.environ.get("JSCI_SLOW_PART")):
        return
    try:
        part, parts = check_part(wanted)
    except ValueError as problem:
        raise pytest.UsageError(str(problem)) from None

    def kept(item):
        return not item.get_closest_marker("slow") or in_part(item.nodeid, part, parts)

    config.hook.pytest_deselected(items=[item for item in items if not kept(item)])
    items[:] = filter(kept, items)


_FUZZED = "fuzzed "
_tried = collections.Counter()


def pytest_runtest_logreport(report):
    """Add up what laws/conftest.py records, in the process that prints the summary."""
    if report.when == "teardown":
        for name, count in report.user_properties:
            if name.startswith(_FUZZED):
                _tried[name.removeprefix(_FUZZED)] += count


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """How many inputs the fuzzed tests tried, where any ran."""
    if _tried:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(_tried.items()))
        terminalreporter.write_line(f"fuzz: {_tried.total():,} inputs tried ({kinds})")


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Compiled programs hold memory maps; at 65,530 of these Linux lets a process crash."""
    yield
    jax.clear_caches()


@pytest.fixture
def key():
    return jax.random.key(0)


_COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def compilations():
    """`with compilations() as count:` counts the programs that are compiled inside."""

    @contextlib.contextmanager
    def counting():
        seen = []

        def listen(name, _, **__):
            if name == _COMPILED:
                seen.append(name)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield lambda: len(seen)
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
