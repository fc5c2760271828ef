"""The script of faults runs, finds none, and would find some."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import jaxsci as jsci
from benchmarks import faults


def test_a_file_that_is_no_whole_one_is_a_fault(tmp_path):
    path = tmp_path / "model.jsci"
    check = faults._whole("model.jsci", np.zeros(9))
    assert check(tmp_path) is None
    jsci.save(path, np.ones(9))
    assert check(tmp_path) is None
    jsci.save(path, np.arange(9.0))
    assert "parts of two writes" in check(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    assert "cannot be read" in check(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc").exists(), reason="processes are found in /proc")
def test_a_few_kills_find_nothing(tmp_path):
    pytest.importorskip("pyscf")
    command = [sys.executable, "-m", "benchmarks.faults", "--kills", "14", "--seconds", "100"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    assert run.stdout.splitlines()[-1].endswith("kills, 0 faults")
