"""A trainable long-range attraction between atoms."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core import memoised
from .._xc import Functional
from .._xc.density import MolecularDensity
from .neural import Network, call_network, check_network
from .nonlocal_functional import nonlocal_functional

# C₆ and R₀ of first-row atoms: what a network that returns zero stands for.
_C6, _RADIUS = 20.0, 4.0  # Hartree Bohr⁶, Bohr


@memoised
def dispersion_tail(f: Network) -> Functional:
    """A pairwise dispersion energy whose strength and range a network predicts.

        E = -½ Σ_{A≠B} C₆(θ; A, B) / (R_AB⁶ + R₀(θ; A, B)⁶),   (C₆, R₀) = (20, 4) exp f(θ; a)

    It is attractive, decays as R⁻⁶ and stays finite as R → 0. It does not depend on the density, so
    it changes energies and forces but no orbitals.

    **Arguments:**

    - `f`: `f(params, a) -> (2,)`, the logarithms of C₆/(20 Hartree Bohr⁶) and R₀/(4 Bohr). a of
        shape (2,) describes a pair of atoms: u/(1 + u) with u = (Z_A + Z_B)/10, and v/(1 + v) with
        v = Z_A Z_B/100. Z excludes the electrons that a core potential replaces. Ghosts are left
        out.

    **Returns:** a `Functional` to add to another.

    **Raises:** as `neural_functional`.

    **Source:** the damping of Becke & Johnson, J. Chem. Phys. 123, 154101 (2005), equation 5.

    ```python
    f, params = jsci.pure(jsci.nn.MLP(2, 2, width=8, depth=1, key=jax.random.key(0)))
    functional = jsci.dft.xc("pbe") + jsci.dft.dispersion_tail(f)
    jsci.dft.scf(water, functional, params).energy
    ```
    """
    check_network(f, "lda")

    def energy(params: Any, density: MolecularDensity) -> Float[Array, ""]:
        z, r = density.charges, density.coordinates
        atom = density.atom_mask & (z > 0)  # neither padding nor a ghost
        real = atom[:, None] & atom[None] & ~jnp.eye(z.size, dtype=bool)
        sums, products = (z[:, None] + z[None]) / 10, z[:, None] * z[None] / 100
        seen = jnp.stack([sums / (1 + sums), products / (1 + products)], axis=-1)
        of_pair = jax.vmap(jax.vmap(lambda a: call_network(f, params, a, (2,))))
        strength, radius = jnp.moveaxis(jnp.exp(of_pair(seen)), -1, 0)
        distance2 = jnp.where(real, jnp.sum((r[:, None] - r[None]) ** 2, axis=-1), 1)
        pairs = _C6 * strength / (distance2**3 + (_RADIUS * radius) ** 6)
        return -0.5 * jnp.sum(jnp.where(real, pairs, 0))

    return nonlocal_functional(energy, level="lda", name="dispersion tail")
