"""A learned initial density: SCF steps against the usual guesses, also where it was not trained."""

import itertools
import time

import jax
import numpy as np

import jaxsci as jsci
from benchmarks.cases.dft._problems import (
    DISTORTION,
    FAMILIES,
    TRAINED,
    distorted,
    one_grid,
    solve,
)
from benchmarks.cases.dft.starts._training import (
    on_densities,
    steps_from,
    through_the_field,
    without_orbitals,
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


def _samples(geometries, basis):
    """Auxiliary bases and fitted densities of PBE."""
    pbe = jsci.dft.xc("pbe")
    for atoms in geometries:
        m = one_grid(atoms, basis)
        aux = jsci.dft.auxiliary(m)
        yield aux, jsci.dft.fit_density(aux, solve(m, pbe, m.guess)[2])


def _steps(f, models, geometries, basis: str, functional: str):
    """Mean SCF steps from "minao", from each model's density, and from its exact density.

    The density is that of PBE for every functional; its potential is that of the functional.
    """
    exact = (known for _, known in _samples(geometries, TRAINED[0]))
    counts = []
    for atoms, known in zip(geometries, exact, strict=True):
        m = one_grid(atoms, basis)
        aux = jsci.dft.auxiliary(m)
        densities = *(f(params, aux) for params in models), known
        counts.append(steps_from(m, aux, densities, functional))
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
        aux, known = zip(*_samples(learned, TRAINED[0]), strict=True)
        parts = [without_orbitals(a) for a in aux]
        f, params = on_densities(parts, known, jax.random.key(0), steps, batch=32)
        marks = [time.process_time() - start]
        few = itertools.chain(*(g[: train // 4] for g in geometries.values()))
        few = [one_grid(atoms, TRAINED[0], grid=0) for atoms in few]
        better = through_the_field(f, params, few, jax.random.key(1), further, terms=1)
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
