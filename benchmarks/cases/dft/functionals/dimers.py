"""A functional learned from half of the dimers, on the other half and on dissociation curves."""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft.functionals._dimers import (
    BASIS,
    GRID,
    PBE,
    Solved,
    choose,
    curve_error,
    errors,
    failed,
    fit_near,
    mae,
    scaled,
    solve_all,
    species_of,
)
from benchmarks.runner.case import Case, Run, Size
from jaxsci.dft._basis.units import HARTREE_IN_KCAL_PER_MOL

WIDTH = 8
OTHERS = {"LDA": "svwn", "B3LYP": "b3lyp"}
NOISE, DRAWS = (3.0, 10.0, 30.0), 5  # kcal/mol


def _samples(solved: Solved, dimers):
    """Error of PBE and the inputs of the correction: dimer, then its atoms, padded."""
    size = max(local.shape[0] for _, local in solved.seen.values())

    def padded(name):
        inputs, local = solved.seen[name]
        extra = size - local.shape[0]
        return jnp.pad(inputs, ((0, extra), (0, 0))), jnp.pad(local, (0, extra))

    rows = [[padded(k) for k in (d.name, *d.elements)] for d in dimers]
    inputs, local = (jnp.stack([jnp.stack([r[j] for r in row]) for row in rows]) for j in (0, 1))
    return {"dimers": (inputs, local, jnp.asarray(errors(solved.energies, dimers)))}


def _train(network, params, samples):
    """At the densities of PBE: the change of a well depth is a sum over the grids of three."""

    def dimer(p, sample):
        inputs, local, error = sample
        factors = jax.vmap(jax.vmap(lambda d: network(p, d)))(inputs)
        energies = jnp.sum(local * factors, axis=1)
        return error + HARTREE_IN_KCAL_PER_MOL * (energies[1] + energies[2] - energies[0])

    return fit_near({"dimers": dimer}, params, samples)


def network():
    """A small correction of PBE, and its parameters."""
    mlp = jsci.nn.MLP(3, "scalar", width=WIDTH, depth=2, key=jax.random.key(0), dtype=jnp.float64)
    mlp = eqx.tree_at(lambda m: m.layers[-1], mlp, replace_fn=lambda layer: scaled(layer, 0.05))
    return jsci.pure(mlp)


def learn(pbe: Solved, dimers, noise: float = 0.0, draw: int = 0):
    """Parameters from the dimers that PBE converges, with errors in kcal/mol added to theirs."""
    f, start = network()
    known = [d for d in dimers if np.isfinite(errors(pbe.energies, [d])).all()]
    samples = _samples(pbe, known)
    inputs, local, error = samples["dimers"]
    error += noise * np.random.default_rng(1 + draw).standard_normal(len(known))
    return _train(f, start, {"dimers": (inputs, local, error)})


def at_fixed_densities(pbe: Solved, dimers, params):
    """MAE in kcal/mol at the densities of PBE."""
    f, _ = network()
    inputs, local, error = _samples(pbe, dimers)["dimers"]
    factors = eqx.filter_jit(jax.vmap(jax.vmap(jax.vmap(lambda d: f(params, d)))))(inputs)
    energies = jnp.sum(local * factors, axis=2)
    change = HARTREE_IN_KCAL_PER_MOL * (energies[:, 1] + energies[:, 2] - energies[:, 0])
    return float(np.nanmean(np.abs(error + change)))


def learned_functional():
    """PBE with the correction."""
    return jsci.dft.neural_functional(network()[0], base=PBE)


def make_dimers(size: Size) -> Run:
    """Learned from half of the main-group dimers; tried on the others."""
    learned, held_out = choose(size, metals=False)
    species, functional = species_of(learned + held_out), learned_functional()

    def step() -> Any:
        clock = time.process_time()
        pbe = solve_all(species, PBE)
        params = learn(pbe, learned)
        own = solve_all(species, functional, params, other_starts=pbe.densities)
        return (params, pbe, own), [(time.process_time() - clock, mae(own.energies, held_out))]

    def figures(result):
        params, pbe, own = result
        rows = {"PBE": pbe, "learned": own}
        rows |= others(species, pbe)
        text = {
            f"MAE {name} (learned from, held out, unconverged)": (
                f"{mae(x.energies, learned):.2f}, {mae(x.energies, held_out):.2f}, "
                f"{len(failed(x.energies, learned + held_out))}"
            )
            for name, x in rows.items()
        }
        for curve in ("H2", "N2"):
            text[f"{curve} non-parallelity (PBE, learned)"] = ", ".join(
                f"{curve_error(curve, *f):.1f}" for f in ((PBE, None), (functional, params))
            )
        found = [d for d in held_out if not failed(pbe.energies, [d])]
        text["MAE held out at PBE's densities"] = f"{at_fixed_densities(pbe, found, params):.2f}"
        for noise in NOISE:
            drawn = [learn(pbe, learned, noise, i) for i in range(DRAWS)]
            maes = [at_fixed_densities(pbe, found, w) for w in drawn]
            text[f"the same with {noise:g} kcal/mol of noise learned from, {DRAWS} draws"] = (
                f"{np.mean(maes):.2f} [{min(maes):.2f}, {max(maes):.2f}]"
            )
        return text

    return Run(
        step,
        (),
        error=lambda result: mae(result[2].energies, held_out),
        note=f"{len(learned)} main-group dimers learned from at PBE's densities, {len(held_out)} "
        f"held out and solved self-consistently; {BASIS}, grid {GRID}; kcal/mol, D0 + ω/2",
        figures=figures if size != "smoke" else {},
        host=True,
    )


def make_metals(size: Size) -> Run:
    """Dimers with a 3d metal: by a functional that has seen none, and by one that has."""
    main, _ = choose(size, metals=False)
    learned, held_out = choose(size, metals=True)
    known, species = species_of(main), species_of(learned + held_out)
    functional = learned_functional()

    def step() -> Any:
        pbe = solve_all(species, PBE)
        of_main = solve_all(known, PBE)
        both = Solved(
            of_main.energies | pbe.energies,
            of_main.densities | pbe.densities,
            of_main.seen | pbe.seen,
        )
        params = {
            "learned without metals": learn(of_main, main),
            "learned with metals": learn(both, main + learned),
        }
        own = {
            k: solve_all(species, functional, p, other_starts=pbe.densities)
            for k, p in params.items()
        }
        return {"PBE": pbe} | own

    def figures(found):
        rows = found | others(species, found["PBE"])
        return metal_rows({k: x.energies for k, x in rows.items()}, learned, held_out)

    return Run(
        step,
        (),
        error=lambda found: mae(found["learned with metals"].energies, held_out),
        note=f"{len(main)} main-group dimers and {len(learned)} with a 3d metal learned from at "
        f"PBE's densities, {len(held_out)} with a metal held out and solved self-consistently; "
        f"{BASIS}, grid {GRID}; kcal/mol, D0 + ω/2",
        figures=figures if size != "smoke" else {},
        host=True,
    )


def others(species, pbe: Solved) -> dict[str, Solved]:
    """LDA and B3LYP."""
    return {
        name: solve_all(species, jsci.dft.xc(x), other_starts=pbe.densities)
        for name, x in OTHERS.items()
    }


def metal_rows(energies, learned, held_out):
    """Of each functional: errors, and what fails by name."""
    text = {}
    for name, found in energies.items():
        lost = failed(found, learned + held_out)
        text[f"MAE {name} (all, held out)"] = (
            f"{mae(found, learned + held_out):.2f}, {mae(found, held_out):.2f}"
        )
        text[f"{name} fails for {len(lost)} of {len(learned + held_out)}"] = ", ".join(lost)
    return text


CASES = [
    Case(
        "dft.dimers",
        "dft",
        "Well depths of dimers by a functional learned from others",
        make_dimers,
        "full",
        reference="experiment",
        tolerance=8.0,
        error_name="mean |error| in kcal/mol",
    ),
    Case(
        "dft.dimers-metals",
        "dft",
        "Well depths of dimers with a 3d metal by functionals that have seen none, and some",
        make_metals,
        "full",
        reference="experiment",
        tolerance=20.0,
        error_name="mean |error| in kcal/mol",
    ),
]
