"""Learned functionals: a known one recovered from energies and densities, by two optimisers."""

import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsci as jsci
from benchmarks.cases.dft._problems import LEARNED, PREDICTED, parse_atoms
from benchmarks.remote import GRAD_DFT, remote_run
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import BOHR_IN_ANGSTROM


def _batch(texts: list[str], basis: str) -> Any:
    """Molecules with PBE's self-consistent energies and densities."""
    molecules = [jsci.dft.molecule(parse_atoms(t), basis, grid=0) for t in texts]
    pbe = jsci.dft.xc("pbe")

    @jax.jit
    def solve(batch):
        results = jax.lax.map(lambda m: jsci.dft.scf(m, pbe, throw=False), batch)
        return results.energy, results.density_matrix

    energies, densities = solve(jsci.dft.stack(molecules))
    return jsci.dft.training_batch(molecules, energies, densities=densities)


def make_recover_pbe(size: Size) -> Run:
    n, basis = (3, "sto-3g") if size == "smoke" else (10, "6-31g")
    steps, through_field = (20, 1) if size == "smoke" else (60, 3)
    learned = _batch(list(LEARNED.values())[:n], basis)
    predicted = _batch(list(PREDICTED.values())[:n], basis)
    mlp = jsci.nn.MLP(3, "scalar", width=8, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    network, params = jsci.pure(mlp)
    functional = jsci.dft.neural_functional(network, base=jsci.dft.xc("svwn"))
    fixed = jsci.objective({"energy": jsci.dft.energy_error(functional, density="fixed")})
    consistent = jsci.objective({"energy": jsci.dft.energy_error(functional)})

    def report(p):
        return jsci.dft.training_report(functional, p, predicted)

    def train(first, second, many, few):
        """At the reference densities first, then through the SCF; (CPU seconds, error)."""
        start, curve, p = time.process_time(), [], params
        for loss, optimizer, k in ((fixed, first, many), (consistent, second, few)):
            p = jsci.fit(loss, p, {"energy": learned}, optimizer, steps=k, progress=False).params
            curve.append((time.process_time() - start, report(p).mae))
        return p, curve

    def both():
        newton = jsci.levenberg_marquardt(), jsci.gauss_newton(1e-8, line_search_steps=3)
        p, curve = train(*newton, steps, through_field)
        # Of three rates and lengths this was best; it has the time that Gauss-Newton has.
        many = 30 * steps
        adam = optax.adam(optax.cosine_decay_schedule(3e-2, many)), optax.adam(1e-4)
        _, slow = train(*adam, many, 3 * through_field)
        return p, {"Gauss-Newton": curve, "Adam": slow}

    def figures(p):
        found = report(p)
        return {"SCF steps": found.steps, "unconverged": found.unconverged}

    return Run(
        both,
        (),
        error=lambda p: report(p).mae,
        note=f"{n} molecules learned, {n} predicted; {basis}, grid 0; LDA and a random network of "
        f"{sum(map(jnp.size, jax.tree.leaves(params)))} parameters at the start; CPU seconds",
        figures=figures,
        host=True,
    )


# Grad DFT's own default of 25 cycles gives NaN for some of these: its DIIS inverts a singular
# matrix once the SCF has converged.
CYCLES = 10
SMALL = ("H2O", "NH3", "CH4", "HF")


def _distorted(count):
    """Geometries in Bohr of small molecules, moved by some 0.05 of them."""
    rng = np.random.default_rng(0)
    for name in itertools.islice(itertools.cycle(SMALL), count):
        atoms = [atom.split() for atom in LEARNED[name].split(";")]
        places = np.array([[float(x) for x in xyz] for _, *xyz in atoms]) / BOHR_IN_ANGSTROM
        yield [s for s, *_ in atoms], places + 0.05 * rng.standard_normal(places.shape)


def _training_step(size):
    """Molecules, network, and one step of Adam on self-consistent energies."""
    count, width = (4, 8) if size == "smoke" else (32, 64)
    geometries = list(_distorted(count))
    molecules = [
        jsci.dft.molecule(list(zip(symbols, xyz, strict=True)), "sto-3g", unit="bohr", grid=0)
        for symbols, xyz in geometries
    ]
    mlp = jsci.nn.MLP(2, "scalar", width=width, depth=3, key=jax.random.key(0), dtype=jnp.float64)
    network, params = jsci.pure(mlp)

    def coefficient(p, d):
        return 1 + 0.1 * network(p, d)[None]

    functional = jsci.dft.weighted_functional(coefficient, [jsci.dft.xc("slater")], level="lda")
    return geometries, molecules, functional, params, -np.arange(count, dtype=float)


def make_training_step(size: Size) -> Run:
    _, molecules, functional, params, energies = _training_step(size)
    parts = jsci.dft.data.buckets(molecules, energies, count=len(SMALL))
    data = {f"bucket {i}": part for i, part in enumerate(parts)}
    terms = dict.fromkeys(data, jsci.dft.energy_error(functional))
    loss = jsci.objective(terms, dict.fromkeys(data, 1 / len(data)), batch_size=1)
    optimizer = optax.adam(1e-4)

    def step(params, data):
        value, gradient = jax.value_and_grad(loss.value)(params, data)
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        return optax.apply_updates(params, updates), gradient, value

    def error(out):
        """Along the gradient, against central differences."""
        gradient, norm = out[1], optax.global_norm(out[1])
        h = 1e-4

        def at(sign):
            moved = jax.tree.map(lambda p, g: p + sign * h * g / norm, params, gradient)
            return step_value(moved)

        step_value = jax.jit(lambda p: loss.value(p, data))
        return float(abs((at(1) - at(-1)) / (2 * h) / norm - 1))

    return Run(
        step,
        (params, data),
        error=error,
        note=f"{len(molecules)} molecules in sto-3g, grid 0; a network of "
        f"{sum(map(jnp.size, jax.tree.leaves(params)))} parameters; Adam on the energies' squares",
    )


def peer_training_step(size: Size) -> Run:
    geometries, molecules, functional, params, energies = _training_step(size)
    arrays: dict[str, Any] = {"molecules": len(geometries), "energies": energies}
    for i, (symbols, xyz) in enumerate(geometries):
        arrays |= {f"symbols{i}": np.array(symbols), f"coordinates{i}": xyz}
    layers = params.layers
    for i, layer in enumerate(layers):
        last = 0.1 if i == len(layers) - 1 else 1.0
        arrays |= {f"kernel{i}": last * layer.weight, f"bias{i}": last * layer.bias}
    ours = jax.jit(
        lambda p, m: jax.lax.map(lambda m: jsci.dft.scf(m, functional, p, throw=False).energy, m)
    )(params, jsci.dft.stack(molecules))

    def error(out):
        return float(np.max(np.abs(out[:-1] / np.asarray(ours) - 1)))

    return remote_run(
        GRAD_DFT.variable,
        "benchmarks.remote.peers.grad_dft",
        f"train sto-3g {CYCLES}",
        arrays | {"layers": len(layers)},
        error,
    )


CASES = [
    Case(
        "dft.training_step",
        "dft",
        "One training step of a neural functional through the SCF",
        make_training_step,
        "full",
        reference="central differences; for the peer our energies",
        tolerance=1e-5,
        error_name="relative",
        peers=(GRAD_DFT.peer("Grad DFT", peer_training_step),),
    ),
    Case(
        "dft.recover_pbe",
        "dft",
        "PBE recovered by a network from energies at its densities, then through the SCF",
        make_recover_pbe,
        "full",
        reference="self-consistent PBE of molecules not learned from",
        tolerance=1.0,
        error_name="mean |error| in kcal/mol",
    ),
]
