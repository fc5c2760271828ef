"""Kohn-Sham fields: energies and batches against PySCF, and what gradients cost."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.remote import PYSCFAD, Environment, remote_run
from benchmarks.runner.case import Baseline, Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM

WATER = np.array([[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]])
# PySCF's own convergence threshold: what remains of it is most of the difference between us.
PYSCF_TOLERANCE = 1e-10


def distorted_waters(n: int) -> list[list[tuple[str, list[float]]]]:
    """Geometries distorted by a normal deviate of 0.03 ångström in every coordinate."""
    rng = np.random.default_rng(0)
    shapes = WATER + 0.03 * rng.standard_normal((n, 3, 3))
    return [list(zip("OHH", shape.tolist(), strict=True)) for shape in shapes]


def pyscf_field(
    atoms: Any, basis: str, functional: str, grid: int, tolerance: float = PYSCF_TOLERANCE
) -> Any:
    """A field that has done nothing yet."""
    from pyscf import dft, gto

    field = dft.RKS(gto.M(atom=atoms, basis=basis, verbose=0))
    field.xc, field.grids.level, field.conv_tol = functional, grid, tolerance
    return field


def _pyscf_prepared(atoms: Any, basis: str, functional: str, grid: int) -> Any:
    """A field with its integrals and grid in memory: its kernel() times the field alone."""
    field = pyscf_field(atoms, basis, functional, grid)
    field.grids.build()
    field._eri = field.mol.intor("int2e", aosym="s8")
    core, overlap = field.get_hcore(), field.get_ovlp()
    field.get_hcore = lambda mol=None: core
    field.get_ovlp = lambda mol=None: overlap
    return field


def _setting(size: Size) -> tuple[str, int]:
    return ("sto-3g", 1) if size == "smoke" else ("def2-svp", 3)


def make_water(size: Size) -> Run:
    return water_in(*_setting(size))


def water_in(basis: str, grid: int) -> Run:
    """The field of a water molecule in this basis, PBE."""
    atoms = distorted_waters(1)[0]
    prepared = _pyscf_prepared(atoms, basis, "pbe", grid)
    reference = float(prepared.kernel())
    prepared.conv_tol = 1e-9  # as ours

    def theirs():
        prepared.mo_coeff = None  # or it starts from its solution
        return float(prepared.kernel())

    functional = jsci.dft.xc("pbe")
    start = time.perf_counter()
    water = jsci.dft.molecule(atoms, basis, grid=grid)
    build = time.perf_counter() - start

    def energy(molecule):
        result = jsci.dft.scf(molecule, functional, throw=False)
        return result.energy, result.steps

    def batched(n):
        molecules = [jsci.dft.molecule(a, basis, grid=grid) for a in distorted_waters(n)]
        return jsci.vmap(energy, batch_size=1), (jsci.dft.stack(molecules),)

    return Run(
        energy,
        (water,),
        error=lambda out: abs(float(out[0] if isinstance(out, tuple) else out) - reference),
        batched=batched,
        baseline=Baseline("PySCF", theirs, (), host=True),
        note=f"PBE, {basis}, grid {grid}; both with integrals and grid in memory",
        figures=lambda out: {"steps": out[1], "build in seconds": build, "nao": water.size},
    )


def water_arrays() -> dict[str, Any]:
    """The molecule of `water_in` for another interpreter, in Bohr."""
    symbols, positions = zip(*distorted_waters(1)[0], strict=True)
    return {
        "symbols": np.array(symbols),
        "charges": np.array([8, 1, 1]),
        "coordinates": np.array(positions) / BOHR_IN_ANGSTROM,
    }


def remote_water(environment: Environment, module: str, basis: str, grid: int) -> Run:
    """The same field by a peer."""
    error = water_in(basis, grid).error
    case = f"energy {basis} {grid}"
    return remote_run(environment.variable, module, case, water_arrays(), error)


def _pyscfad_water(size: Size) -> Run:
    return remote_water(PYSCFAD, "benchmarks.remote.pyscfad_field", *_setting(size))


def _neural(key) -> tuple[jsci.dft.Functional, Any]:
    k = jax.random.split(key, 3)
    params = {
        "in": jax.random.normal(k[0], (16, 3)),
        "bias": jax.random.normal(k[1], (16,)),
        "out": 0.1 * jax.random.normal(k[2], (16,)),
    }

    def network(p, x):
        return p["out"] @ jnp.tanh(p["in"] @ x + p["bias"]) / 16

    return jsci.dft.neural_functional(network), params


def _gradient(size: Size, quantity: str, tolerance: float) -> Run:
    basis, grid = ("sto-3g", 0) if size == "smoke" else ("def2-svp", 1)
    water = jsci.dft.molecule(distorted_waters(1)[0], basis, grid=grid)
    functional, params = _neural(jax.random.key(0))

    def value(p):
        result = jsci.dft.scf(water, functional, p, tolerance=tolerance, throw=False)
        if quantity == "energy":
            return result.energy
        return jnp.sum(result.density_matrix**2)

    forward = jax.jit(value)
    step = 1e-3

    def along(s):
        return float(forward({**params, "bias": params["bias"] + s}))

    near = (along(step) - along(-step)) / (2 * step)
    expected = (4 * near - (along(2 * step) - along(-2 * step)) / (4 * step)) / 3

    def error(out):
        if isinstance(out, tuple):
            return abs(float(jnp.sum(out[1]["bias"])) / expected - 1)
        return 0.0  # the baseline has no gradient to compare

    return Run(
        jax.value_and_grad(value),
        (params,),
        error=error,
        baseline=Baseline("value alone", value, (params,), part=True),
        note=f"water, {basis}, grid {grid}, {sum(map(jnp.size, params.values()))} parameters; "
        "the ratio is what the gradient costs: value / (value and gradient)",
    )


def make_energy_gradient(size: Size) -> Run:
    return _gradient(size, "energy", 1e-12)


def make_density_gradient(size: Size) -> Run:
    return _gradient(size, "density", 1e-16)


CASES = [
    Case(
        "dft.water",
        "dft",
        "Self-consistent field of a water molecule",
        make_water,
        "smoke",
        reference="PySCF on the same grid and integrals",
        tolerance=1e-8,
        error_name="Hartree",
        batches=(1, 4, 16, 64),
        peers=(PYSCFAD.peer("PySCFAD", _pyscfad_water),),
        item="molecules",
    ),
    Case(
        "dft.gradient_of_energy",
        "dft",
        "Energy of a neural functional and its gradient in the parameters",
        make_energy_gradient,
        "quick",
        reference="finite differences of fourth order",
        tolerance=1e-6,
        error_name="relative",
    ),
    Case(
        "dft.gradient_of_density",
        "dft",
        "tr(P²) of a neural functional and its implicit gradient in the parameters",
        make_density_gradient,
        "quick",
        reference="finite differences of fourth order",
        tolerance=1e-6,
        error_name="relative",
    ),
]
