"""Skala: equal to the published module, symmetric, differentiable, and its files."""

import dataclasses
import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dft.functionals._skala_files import state

from jaxsci.dft import (
    fixed_density_energy,
    fixed_density_hamiltonian,
    forces,
    molecule,
    read_skala,
    scf,
    skala,
    stack,
)

pytest.importorskip("pyscf")

SMALL = {"width": 8, "channels": 2, "lmax": 1, "layers": 1}
WATER = [("O", (0.0, 0.0, 0.1)), ("H", (0.0, 0.76, 0.69)), ("H", (0.1, -0.77, 0.68))]


@functools.cache
def small(**sizes):
    """With biases and mixing away from where they start."""
    functional, params = skala(key=jax.random.key(0), **SMALL | sizes)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noise = [0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return functional, jax.tree.unflatten(tree, [x + n for x, n in zip(leaves, noise, strict=True)])


def density(m, spin=0.2):
    """Two spin density matrices of no symmetry."""
    x = np.random.default_rng(m.size).standard_normal((2, m.size, 2))
    return jnp.asarray(np.einsum("sik,sjk->sij", x, x) * np.array([1, 1 - spin])[:, None, None])


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("skala"), reason="skala is not installed")
@pytest.mark.parametrize("name", ["water", "nitric oxide", "lithium hydride"])
def test_energy_and_potential_are_those_of_the_published_module(name, tmp_path):
    import skala_torch
    from pyscf import gto

    atoms, basis, spin, level = {
        "water": (WATER, "def2-svp", 0, 0),
        "nitric oxide": ([("N", (0, 0, 0)), ("O", (0.3, 0.2, 1.1))], "6-31g", 1, 0),
        "lithium hydride": ([("Li", (0, 0, 0)), ("H", (0, 0, 1.6))], "sto-3g", 0, 1),
    }[name]
    network = skala_torch.module(seed=1)
    np.savez(tmp_path / "skala.npz", **skala_torch.state(network))
    functional, params = read_skala(tmp_path / "skala.npz")
    m = molecule(atoms, basis, spin=spin, grid=level)
    m = dataclasses.replace(m, spins="unrestricted")
    p = density(m)
    mol = gto.M(atom=atoms, basis=basis, spin=spin, verbose=0)
    expected, potential = skala_torch.energy_and_potential(network, mol, np.asarray(p), level)

    # Without the electrons' other energies
    def exchange_correlation(p):
        of_all = fixed_density_energy(m, functional, params, density_matrix=p)
        return of_all - fixed_density_energy(m, 0.0 * functional, params, density_matrix=p)

    found, slope = jax.jit(jax.value_and_grad(exchange_correlation))(p)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    slope = 0.5 * (slope + slope.transpose(0, 2, 1))
    np.testing.assert_allclose(slope, potential, atol=1e-7)


# A quarter turn about x, a shift and another order: the grid goes along, reflections excluded.
def test_energies_do_not_depend_on_position_nor_on_the_names_of_spins():
    functional, params = small()
    moved = [(s, (x + 1.0, -z - 2.0, y)) for s, (x, y, z) in WATER[::-1]]
    one, other = (molecule(atoms, "sto-3g", grid=0) for atoms in (WATER, moved))
    f = jax.jit(lambda m, p: fixed_density_energy(m, functional, params, density_matrix=p))

    one, other = (dataclasses.replace(m, spins="unrestricted") for m in (one, other))

    def half_filled(m):
        return jnp.stack([0.6 * m.guess, 0.4 * m.guess])

    p = half_filled(one)
    np.testing.assert_allclose(f(other, half_filled(other)), f(one, p), atol=1e-10)
    np.testing.assert_allclose(f(one, p[::-1]), f(one, p), atol=1e-12)


def test_a_closed_shell_is_two_equal_spins_and_its_potential_the_slope():
    functional, params = small()
    m = molecule(WATER, "sto-3g", grid=0)
    p = jnp.sum(density(m), axis=0)
    f = jax.jit(lambda p: fixed_density_energy(m, functional, params, density_matrix=p))
    open_shell = dataclasses.replace(m, spins="unrestricted")
    both = jnp.stack([p, p]) / 2
    same = fixed_density_energy(open_shell, functional, params, density_matrix=both)
    np.testing.assert_allclose(f(p), same, atol=1e-10)
    fock = fixed_density_hamiltonian(m, functional, params, density_matrix=p)
    change = jax.random.normal(jax.random.key(1), p.shape)
    change, h = change + change.T, 1e-5
    difference = (f(p + h * change) - f(p - h * change)) / (2 * h)
    np.testing.assert_allclose(jnp.vdot(fock, change), difference, rtol=1e-6)


@pytest.mark.slow
def test_forces_are_slopes_and_batches_one_by_one():
    functional, params = small(layers=2)

    def at(distance):
        return molecule([("Li", (0, 0, 0)), ("H", (0, 0, distance))], "sto-3g", grid=0, unit="bohr")

    h = 1e-3
    far, near = (scf(at(3.0 + s * h), functional, params, tolerance=1e-11) for s in (1, -1))
    force = forces(at(3.0), functional, params, tolerance=1e-11)
    np.testing.assert_allclose(force[1, 2], (near.energy - far.energy) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(jnp.sum(force, axis=0), 0, atol=1e-9)
    hydrogen = molecule([("H", (0, 0, 0)), ("H", (0, 0, 1.4))], "sto-3g", grid=0, unit="bohr")
    found = jax.vmap(lambda m: scf(m, functional, params).energy)(stack([at(3.0), hydrogen]))
    alone = [scf(m, functional, params).energy for m in (at(3.0), hydrogen)]
    np.testing.assert_allclose(found, jnp.stack(alone), atol=1e-9)


def test_files_give_back_the_parameters(tmp_path):
    functional, params = small(layers=2)
    path = tmp_path / "skala.npz"
    np.savez(path, **{f"model.{name}": x for name, x in state(params).items()})
    found, same = read_skala(path)
    assert found == functional
    jax.tree.map(np.testing.assert_array_equal, same, params)


def test_files_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "skala.npz"
    whole = state(small()[1])
    name = "non_local_layers.0.symmetric_product.contractions.1."
    first = np.zeros((3, 4, 1))
    tables = {
        f"{name}u_matrix_1": first,
        f"{name}u_matrix_2": np.zeros((3, 4, 4, len(whole[f"{name}weights.0"]))),
        f"{name}u_matrix_3": np.zeros((3, 4, 4, 4, len(whole[f"{name}weights_max"]))),
    }
    for change, match in (
        ({"input_model.0.bias": np.zeros(9)}, r"'input_model.0.bias' has shape \(9,\), not \(8,\)"),
        ({"input_model.0.bias": np.full(8, np.nan)}, "is not finite"),
        ({"input_model.4.bias": np.zeros(8)}, r"\['input_model.4.bias'\] have no place"),
        ({"radial_basis.temps": np.ones(2)}, "radial functions have"),
        (tables, "momentum 1 couple them otherwise"),
    ):
        np.savez(path, **whole | change)
        with pytest.raises(ValueError, match=match):
            read_skala(path)
    np.savez(path, **{k: x for k, x in whole.items() if k != "output_model.2.bias"})
    with pytest.raises(ValueError, match="'output_model.2.bias' is missing"):
        read_skala(path)
    np.savez(path, x=np.ones(1))
    with pytest.raises(ValueError, match="is not of Skala: it has no array"):
        read_skala(path)
    path.write_bytes(b"PK not a zip")
    with pytest.raises(ValueError, match="is not an .npz file of numbers"):
        read_skala(path)
    with pytest.raises(FileNotFoundError):
        read_skala(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="channels must be at least 2, got 1"):
        skala(key=jax.random.key(0), channels=1)


def test_parameters_of_another_architecture_are_named():
    functional, params = small(layers=2)
    m = molecule("H 0 0 0; H 0 0 .74", "sto-3g", grid=0)

    def refused(wrong, match, kind: type[Exception] = ValueError):
        with pytest.raises(kind, match=match):
            fixed_density_energy(m, functional, wrong, density_matrix=m.guess)

    refused(None, "params=None: if it has parameters, give them", TypeError)
    refused({}, r"not of skala, which has params\['encoder'\]")
    refused(params["layers"], "not of skala")
    refused(params | {"layers": []}, "not of skala")
    shorter = params | {"output": params["output"][:1]}
    refused(shorter, r"params\['output'\]\[1\]\[0\] is missing, and should be of shape \(8, 1\)")
    refused({k: x for k, x in params.items() if k != "output"}, r"\['output'\].* is missing")
    layer = dict(params["layers"][0], extra=jnp.ones(3))
    refused(params | {"layers": [layer]}, r"'extra'\] is of shape \(3,\), and should be left out")
    other = small(channels=3, layers=2)[1]
    mixed = params | {"layers": [params["layers"][0], other["layers"][0]]}
    refused(mixed, r"params\['layers'\]\[1\].* is of shape .* and should be of shape")
    both = fixed_density_energy(m, functional, params | {"mine": 1.0}, density_matrix=m.guess)
    assert both == fixed_density_energy(m, functional, params, density_matrix=m.guess)
