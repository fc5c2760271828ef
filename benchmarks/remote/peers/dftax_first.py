"""dftax 0.9.3 in a new process: the first field, or its largest force, on its own grid."""

import json
import os
import sys

# XLA of jaxlib 0.10.1 cannot run one of its products by YNNPACK.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_experimental_ynn_fusion_type=")

import jax

jax.config.update("jax_enable_x64", True)

import dftax as _dftax  # noqa: E402  # pyright: ignore
import jax.numpy as jnp
from dftax.energy.xc import PBE  # noqa: E402  # pyright: ignore

quantity, basis, _, atoms = sys.argv[1:]
# PySCF's functions are spherical, which dftax asks for.
molecule = _dftax.Molecule.from_xyz(atoms, basis, spherical=True)
result = _dftax.scf(_dftax.KS(molecule, PBE(), coulomb=_dftax.exact()))
value = result.e_tot
if quantity == "forces":
    forces = _dftax.forces(molecule, PBE(), result, coulomb=_dftax.exact())
    value = jnp.abs(forces).max()
print(json.dumps(float(value)))
