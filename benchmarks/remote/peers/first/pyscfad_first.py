"""PySCFAD 0.3.4 in a new process: the first field, or its largest force by jax.grad."""

import json
import sys

import jax
import numpy as np
from pyscfad import dft, gto  # pyright: ignore

jax.config.update("jax_enable_x64", True)

quantity, basis, grid, atoms = sys.argv[1:]
mol = gto.Mole()
mol.atom, mol.basis, mol.verbose = atoms, basis, 0
mol.build(trace_exp=False, trace_ctr_coeff=False)


def energy(mol):
    field = dft.RKS(mol, xc="pbe")
    field.grids.level, field.conv_tol = int(grid), 1e-9
    return field.kernel()


value = energy(mol) if quantity == "energy" else np.abs(jax.grad(energy)(mol).coords).max()
print(json.dumps(float(value)))
