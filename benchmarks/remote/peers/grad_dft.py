"""Grad DFT on JAX 0.4.20, in an interpreter of its own."""

import importlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.remote.missing import stand_in
from benchmarks.remote.serve import serve

jax.config.update("jax_enable_x64", True)


def _import():
    """Grad DFT as a module, with a stand-in for TensorFlow, which only DM21's weights need."""
    for name in ("flax.training.checkpoints", "orbax.checkpoint"):  # these look for the real one
        importlib.import_module(name)
    stand_in("tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "tensorflow_hub")
    return importlib.import_module("grad_dft")


grad_dft = _import()


def _descriptors(molecule, **_):
    """ρ^(1/3)/(1 + ρ^(1/3)) and ζ², as `jsci.dft.descriptors` of level "lda"."""
    spins = jnp.maximum(molecule.density(), 1e-15)
    rho = jnp.sum(spins, axis=1)
    root = jnp.cbrt(rho)
    zeta = (spins[:, 0] - spins[:, 1]) / rho
    return jnp.stack([root / (1 + root), zeta**2], axis=1)


def _exchange(molecule, **_):
    """Local spin-density exchange, per volume."""
    spins = jnp.maximum(molecule.density(), 1e-15)
    scale = -0.75 * (6 / jnp.pi) ** (1 / 3)
    return scale * jnp.sum(spins ** (4 / 3), axis=1, keepdims=True)


def _coefficients(instance, x, *_, widths, **__):
    for width in widths:
        x = jnp.tanh(instance.dense(features=width)(x))
    return 1 + instance.dense(features=1)(x)


def _molecule(symbols, coordinates, basis):
    """With the integrals, the grid and the first orbitals of one step, as its training takes."""
    from pyscf import dft, gto

    mol = gto.M(
        atom=list(zip(symbols, coordinates.tolist(), strict=True)),
        basis=basis,
        unit="bohr",
        verbose=0,
    )
    field = dft.UKS(mol)
    field.grids.level = 0
    field.grids.build()
    field.xc, field.max_cycle = "lda,", 1
    field.kernel()
    return grad_dft.molecule_from_pyscf(field, scf_iteration=1, grad_order=1)


def build(case, arrays):
    """`train <basis> <cycles>`: one step of Adam on the squared error of self-consistent energies.

    Returns the energies before the step, then the norm of the gradient.
    """
    _, basis, cycles = case.split()
    count = int(arrays["layers"])
    widths = [arrays[f"bias{i}"].size for i in range(count - 1)]
    functional = grad_dft.NeuralFunctional(
        coefficients=partial(_coefficients, widths=widths),
        energy_densities=_exchange,
        coefficient_inputs=_descriptors,
    )
    params = {
        "params": {
            f"Dense_{i}": {
                "kernel": jnp.asarray(arrays[f"kernel{i}"]),
                "bias": jnp.asarray(arrays[f"bias{i}"]),
            }
            for i in range(count)
        }
    }
    molecules = [
        _molecule(list(arrays[f"symbols{i}"]), arrays[f"coordinates{i}"], basis)
        for i in range(int(arrays["molecules"]))
    ]
    solve = grad_dft.diff_scf_loop(functional, cycles=int(cycles))

    @jax.jit
    def error(params, molecule, target):
        def squared(params):
            energy = solve(params, molecule).energy
            return (energy - target) ** 2, energy

        return jax.value_and_grad(squared, has_aux=True)(params)

    optimizer = optax.adam(1e-4)
    state = optimizer.init(params)

    def step():
        found = [error(params, m, e) for m, e in zip(molecules, arrays["energies"], strict=True)]
        gradient = jax.tree_util.tree_map(lambda *g: sum(g) / len(g), *(g for _, g in found))
        updates, _ = optimizer.update(gradient, state, params)
        jax.block_until_ready(optax.apply_updates(params, updates))
        energies = [float(energy) for (_, energy), _ in found]
        return np.array([*energies, float(optax.global_norm(gradient))])

    return step


if __name__ == "__main__":
    serve(build)
