"""What the learned starts learn from is computed once, and then read from the disk."""

import numpy as np
import pytest

pytest.importorskip("pyscf")
pytest.importorskip("ase")

from benchmarks.cases.dft.starts import _learned_set
from benchmarks.cases.dft.starts._organic import g2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["densities", "matrices"])
def test_a_second_run_computes_only_what_is_new(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    solved = []
    solver = "solve" if kind == "densities" else "_first_and_last"
    original = getattr(_learned_set, solver)

    def counted(*args):
        solved.append(args)
        return original(*args)

    monkeypatch.setattr(_learned_set, solver, counted)
    water, ammonia = (next(s for s in g2() if s.name == name) for name in ("H2O", "NH3"))
    of = getattr(_learned_set, kind)
    first = of([water], "lda", "sto-3g", 0)
    again, new = of([water, ammonia], "lda", "sto-3g", 0)
    assert len(solved) == 2
    np.testing.assert_array_equal(first[0], again)
    assert np.isfinite(new).all() and new.shape[-1] >= 8
    of([water._replace(positions=water.positions + 0.01)], "lda", "sto-3g", 0)
    assert len(solved) == 3  # other positions are another molecule
