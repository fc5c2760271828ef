"""A learned initial density: SCF steps against the usual guesses, also where it was not trained."""

import itertools
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    DISTORTION,
    FAMILIES,
    TRAINED,
    distorted,
    one_grid,
    solve,
    trained,
)
from benchmarks.runner.case import Case, Run, Size

LARGER = {
    "C3H8": "C 0 0 .587; C 0 1.277 -.259; C 0 -1.277 -.259; H .877 0 1.247; H -.877 0 1.247; "
    "H 0 2.172 .373; H .884 1.318 -.906; H -.884 1.318 -.906; H 0 -2.172 .373; "
    "H .884 -1.318 -.906; H -.884 -1.318 -.906",
    "CH3OH": "C -.047 .664 0; O -.047 -.759 0; H -1.086 .976 0; H .438 1.071 .89; "
    "H .438 1.071 -.89; H .869 -1.045 0",
    "CH3NH2": "C .052 .705 0; N .052 -.76 0; H -.941 1.164 0; H .591 1.056 .881; "
    "H .591 1.056 -.881; H -.458 -1.092 .81; H -.458 -1.092 -.81",
}
UNSEEN = (("6-31g*", "blyp"), ("cc-pvdz", "pbe"), ("def2-tzvp", "pbe"), ("def2-svp", "b3lyp"))
# For a hybrid, the initial potential is that of a functional without exact exchange.
START = {"b3lyp": "blyp"}


def _samples(geometries, basis):
    """Auxiliary bases and fitted densities of PBE."""
    pbe = jsci.dft.xc("pbe")
    for atoms in geometries:
        m = one_grid(atoms, basis)
        aux = jsci.dft.auxiliary(m)
        yield aux, jsci.dft.fit_density(aux, solve(m, pbe, m.guess)[2])


def _train(samples, key, steps):
    aux = jsci.dft.stack_auxiliary([a for a, _ in samples])
    # The integrals with orbitals are not needed once the densities are fitted.
    aux = eqx.tree_at(lambda a: a.repulsion, aux, jnp.zeros((len(samples), aux.charge.shape[1], 1)))
    size = aux.charge.shape[1]
    known = jnp.stack([jnp.pad(c, (0, size - c.size)) for _, c in samples])
    model = jsci.dft.DensityModel([a for a, _ in samples], key=key)
    f, params = jsci.pure(jsci.dft.set_means(model, aux, known))

    def draw(key):
        chosen = jax.random.choice(key, len(samples), (min(32, len(samples)),), replace=False)
        return {"density": jax.tree.map(lambda x: x[chosen], (aux, known))}

    loss = jsci.objective({"density": jsci.dft.coefficient_error(f)})
    return f, trained(loss, params, draw, key, steps)


def _train_through_the_field(f, params, geometries, key, steps):
    """Train on the orbital gradient at the initial guess, which the SCF has to bring to zero."""
    molecules = [one_grid(atoms, TRAINED[0], grid=0) for atoms in geometries]
    batch = jsci.dft.stack(molecules)
    aux = jsci.dft.stack_auxiliary([jsci.dft.auxiliary(m) for m in molecules])

    def draw(key):
        chosen = jax.random.choice(key, len(molecules), (4,), replace=False)
        return {"field": jax.tree.map(lambda x: x[chosen], (batch, aux))}

    error = jsci.dft.guess_error(f, jsci.dft.xc(TRAINED[1]))
    loss = jsci.objective({"field": error}, batch_size=1)
    return trained(loss, params, draw, key, steps, 3e-4)


def _steps(f, models, geometries, basis: str, name: str):
    """Mean SCF steps from "minao", from each model's density, and from its exact density."""
    # The density is that of PBE for every functional; its potential is that of the functional.
    functional, start = jsci.dft.xc(name), jsci.dft.xc(START.get(name) or name)
    exact = (known for _, known in _samples(geometries, TRAINED[0]))
    counts = []
    for atoms, known in zip(geometries, exact, strict=True):
        m = one_grid(atoms, basis)
        aux = jsci.dft.auxiliary(m)
        densities = *(f(params, aux) for params in models), known
        found = [jsci.dft.density_guess(m, aux, c, functional=start) for c in densities]
        solved = [solve(m, functional, g) for g in ("minao", *found)]
        assert all(converged for _, converged, _ in solved)
        counts.append([int(steps) for steps, *_ in solved])
    return np.mean(counts, axis=0)


def make_guess(size: Size) -> Run:
    train, held_out, steps, further = (4, 1, 60, 2) if size == "smoke" else (32, 4, 3000, 150)
    rng = np.random.default_rng(0)
    geometries = {k: distorted(g, rng, train + held_out) for k, g in FAMILIES.items()}
    tests = list(itertools.chain(*(g[train:] for g in geometries.values())))
    larger = list(itertools.chain(*(distorted(g, rng, 2) for g in LARGER.values())))

    def learn():
        start = time.process_time()
        learned = itertools.chain(*(g[:train] for g in geometries.values()))
        f, params = _train(list(_samples(learned, TRAINED[0])), jax.random.key(0), steps)
        marks = [time.process_time() - start]
        some = itertools.chain(*(g[: train // 4] for g in geometries.values()))
        better = _train_through_the_field(f, params, some, jax.random.key(1), further)
        marks.append(time.process_time() - start)
        row = _steps(f, (params, better), tests, *TRAINED)
        curve = [(mark, steps / row[0]) for mark, steps in zip(marks, row[1:3], strict=True)]
        return (f, (params, better), row), curve

    def figures(result):
        f, models, row = result
        rows = {"/".join(reversed(TRAINED)): row}
        rows |= {f"{x}/{b}": _steps(f, models, tests, b, x) for b, x in UNSEEN}
        rows["larger molecules"] = _steps(f, models, larger, *TRAINED)
        return {
            f"steps {name} (minao, learned, and through the SCF, its exact density)": ", ".join(
                f"{x:.2f}" for x in row
            )
            for name, row in rows.items()
        }

    return Run(
        learn,
        (),
        error=lambda result: float(result[2][2] / result[2][0]),
        note=f"{train} geometries each of {', '.join(FAMILIES)} learned, {held_out} held out, "
        f"distorted by {DISTORTION} Å; {steps} steps on densities, {further} through the SCF; "
        "grid 1 alone; the learned guess costs one extra potential evaluation",
        figures=figures if size != "smoke" else {},
        host=True,
    )


CASES = [
    Case(
        "dft.learned_guess",
        "dft",
        "SCF steps from a learned equivariant density, trained on PBE in def2-SVP",
        make_guess,
        "full",
        reference="steps from minao of the same molecules at equal tolerance",
        tolerance=0.7,
        error_name="share of minao's steps",
    ),
]
