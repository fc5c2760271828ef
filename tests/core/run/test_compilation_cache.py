"""Compiled programs on disk: found by the next process, and only by one of the same kind."""

import os
import subprocess
import sys

import pytest

import jaxsci as jsci

PROGRAM = """
import sys, jax, jax.monitoring
import jaxsci as jsci
if len(sys.argv) > 1:
    print(jsci.compilation_cache(sys.argv[1]))
else:
    print(jax.config.jax_compilation_cache_dir)
found = []
jax.monitoring.register_event_listener(lambda name, **_: found.append(name))
jax.jit(lambda x: x * 2 + 1)(3.0)
print(sum(name.endswith("cache_hits") for name in found))
"""


def run(*args, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JSCI_COMPILATION")}
    out = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, hits = out.stdout.split("\n")[:2]
    return folder, int(hits)


def test_the_next_process_finds_the_program(tmp_path):
    first, hits = run(str(tmp_path))
    assert hits == 0
    assert first.startswith(str(tmp_path)) and os.listdir(first)
    # By the variable as well, at import.
    second, hits = run(JSCI_COMPILATION_CACHE=str(tmp_path))
    assert (second, hits > 0) == (first, True)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python always has zstd")
def test_a_python_of_another_compression_has_a_folder_of_its_own(tmp_path):
    (tmp_path / "zstandard.py").write_text(
        "class ZstdCompressor:\n    def compress(self, data): return data[::-1]\n"
        "class ZstdDecompressor:\n    def decompress(self, data): return data[::-1]\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    plain, _ = run(str(tmp_path / "programs"))
    other, hits = run(str(tmp_path / "programs"), PYTHONPATH=path)
    assert (other != plain, hits) == (True, 0)
    assert run(str(tmp_path / "programs"), PYTHONPATH=path)[1] > 0


def test_without_the_variable_nothing_is_kept(tmp_path):
    folder, _ = run(JSCI_COMPILATION_CACHE="0", XDG_CACHE_HOME=str(tmp_path))
    assert folder == "None" and not os.listdir(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        jsci.compilation_cache(tmp_path / "file")
