"""Derivatives through the self-consistent field, against finite differences."""

import jax
import jax.numpy as jnp

import jaxsci as jsci
from benchmarks.cases.dft._problems import LEARNED, parse_atoms
from benchmarks.runner.case import Case, Run, Size

CLOSED = ("H2O", "NH3", "CH4", "N2", "CO", "HF")
# Atoms and positions in ångström, and unpaired electrons.
OPEN = {
    "Li": ("Li 0 0 0", 1),
    "O2": ("O 0 0 0; O 0 0 1.208", 2),
    "CH3": ("C 0 0 0; H 1.079 0 0; H -.5395 .93444 0; H -.5395 -.93444 0", 1),
    "NH2": ("N 0 0 .1416; H 0 .8054 -.4955; H 0 -.8054 -.4955", 1),
}
STEP = 1e-3


def _molecules(size: Size):
    basis = "sto-3g" if size == "smoke" else "6-31g"
    closed = [jsci.dft.molecule(parse_atoms(LEARNED[n]), basis, grid=0) for n in CLOSED]
    radicals = [
        jsci.dft.molecule(parse_atoms(atoms), basis, spin=spin, grid=0)
        for atoms, spin in OPEN.values()
    ]
    return (closed[:1], radicals[:1]) if size == "smoke" else (closed, radicals)


def make_gradients(size: Size) -> Run:
    batches = tuple(map(jsci.dft.stack, _molecules(size)))
    mlp = jsci.nn.MLP(3, "scalar", width=8, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    network, params = jsci.pure(mlp)
    params = jax.tree.map(lambda p: 0.3 * p, params)
    functional = jsci.dft.neural_functional(network)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    random = [jax.random.normal(k, p.shape, p.dtype) for k, p in zip(keys, leaves, strict=True)]
    direction = jax.tree.unflatten(structure, random)

    def energy_and_density(p, batch):
        def one(m):
            r = jsci.dft.scf(m, functional, p, tolerance=1e-15, max_steps=60, throw=False)
            return r.energy, r.density_matrix

        return jax.lax.map(one, batch)

    @jax.jit
    def at(h):
        moved = jax.tree.map(lambda p, d: p + h * d, params, direction)
        return [energy_and_density(moved, b) for b in batches]

    def slopes(params, direction, batches):
        return [
            jax.jvp(lambda p, b=b: energy_and_density(p, b), (params,), (direction,))[1]
            for b in batches
        ]

    # Fourth order: what remains is the rounding of the SCF.
    differences = jax.tree.map(
        lambda a, b, c, d: (8 * (b - c) - (a - d)) / (12 * STEP),
        *(at(h * STEP) for h in (2.0, 1.0, -1.0, -2.0)),
    )

    def error(found):
        """The largest relative error of any molecule's energy or density."""

        def worst(x, y):
            axes = tuple(range(1, x.ndim))
            distance, length = (jnp.sqrt(jnp.sum(z**2, axis=axes)) for z in (x - y, y))
            return float(jnp.max(distance / length))

        return max(jax.tree.leaves(jax.tree.map(worst, found, differences)))

    count = sum(b.overlap.shape[0] for b in batches)
    return Run(
        slopes,
        (params, direction, batches),
        error=error,
        note=f"{count} molecules, closed and open shell; energy and density matrix",
    )


CASES = [
    Case(
        "dft.gradients",
        "dft",
        "Derivatives of converged energies and densities in the parameters of a network",
        make_gradients,
        "full",
        reference="fourth-order finite differences",
        tolerance=1e-6,
        error_name="relative, maximum over molecules",
    ),
]
