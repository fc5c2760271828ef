"""What makes new integrals refuses a molecule whose own are not those of its nuclei."""

import dataclasses

import pytest

from jaxsci.dft import forces, hessian, molecule, relax, scan, vibrations, xc

pytest.importorskip("pyscf")


@pytest.mark.parametrize(
    "call",
    [
        forces, hessian, vibrations, relax,
        lambda m, f: scan(m, f, coordinate=(0, 1), values=[0.7, 0.8], relaxed=False),
    ],
)  # fmt: skip
def test_an_electric_field_is_not_lost(call):
    """In 0.05 atomic units, `relax` gave the energy without the field, 0.07 Hartree off."""
    m = molecule("H 0 0 0; H 0 0 0.74", "sto-3g", grid=0)
    core = m.core_hamiltonian + 0.05 * m.dipole_integrals[2]
    with pytest.raises(ValueError, match="an electric field was added"):
        call(dataclasses.replace(m, core_hamiltonian=core), xc("hf"))
