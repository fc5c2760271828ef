"""MESS 0.1.2 on JAX 0.4.35, in an environment of its own: a field by direct minimisation."""

import jax
import numpy as np
from mess import Hamiltonian, basisset, minimise  # pyright: ignore
from mess.structure import Structure  # pyright: ignore

from benchmarks.remote.serve import serve

jax.config.update("jax_enable_x64", True)
TOLERANCE = 1e-8  # of BFGS: less changes the energy by 1e-12 Hartree


def build(_, arrays):
    """The PBE energy in STO-3G, on the grid of level 3 that it always takes."""
    structure = Structure(arrays["charges"], arrays["coordinates"])
    hamiltonian = Hamiltonian(basisset(structure, "sto-3g"), xc_method="pbe")

    def solve():
        return np.asarray(minimise(hamiltonian, atol=TOLERANCE, rtol=TOLERANCE)[0])

    solve()  # compiled before the clock starts
    return solve


if __name__ == "__main__":
    serve(build)
