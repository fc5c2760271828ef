"""Mean fields of PySCF leave no file open, with and without its checkpoints."""

import pytest

from jaxsci.dft._system.pyscf_checkpoints import without_checkpoint

hf = pytest.importorskip("pyscf.scf.hf")


@pytest.mark.parametrize("muted", [False, True])
def test_the_file_is_closed_and_the_mean_field_still_runs(monkeypatch, muted):
    from pyscf import gto

    monkeypatch.setattr(hf, "MUTE_CHKFILE", muted)
    field = without_checkpoint(hf.RHF(gto.M(atom="He 0 0 0", basis="sto-3g", verbose=0)))
    assert muted or field._chkfile.closed
    assert field.run().converged
    assert field.chkfile is None
