"""The solver of an SCF as a value: equal by its numbers, checked, and still as it was spelled."""

import inspect
import re
import warnings

import jax
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci.dft import (
    DIIS,
    Newton,
    energy,
    forces,
    hessian,
    molecule,
    polarisability,
    scf,
    stable_scf,
    xc,
)
from jaxsci.dft._scf.solvers import old_keywords
from jaxsci.dft._scf.solvers.options import Iteration

pytest.importorskip("pyscf")


@pytest.fixture(scope="module")
def helium():
    return molecule([("He", (0, 0, 0))], "6-31g", grid=0)


def test_solvers_are_values():
    assert DIIS(damping=0.2) == DIIS(damping=np.float64(0.2)) != DIIS()
    assert Newton() == Newton(first=DIIS()) != Newton(first=DIIS(damping=0.2))
    assert len({DIIS(), DIIS(), Newton(), Newton()}) == 2
    assert hash(DIIS(level_shift=jax.numpy.asarray(0.5))) == hash(DIIS(level_shift=0.5))


def test_another_shift_or_damping_is_data_and_compiles_nothing():
    def program(solver):
        return jax.tree.structure(Iteration.checked(1e-9, 100, solver))

    assert program(DIIS()) == program(DIIS(level_shift=0.2)) == program(DIIS(damping=0.2))
    assert len({program(s) for s in (DIIS(), Newton(), DIIS(temperature=0.01))}) == 3


@pytest.mark.parametrize(
    ("options", "problem", "message"),
    [
        ({"level_shift": -0.1}, ValueError, "level_shift must be zero or positive, got -0.1"),
        ({"damping": 1.0}, ValueError, r"damping must lie in \[0, 1\), got 1"),
        ({"temperature": -1.0}, ValueError, "k_B T in Hartree, zero or positive, got -1"),
        ({"damping": "a lot"}, TypeError, "damping must be a number, got 'a lot'"),
        (
            {"temperature": 0.01, "level_shift": 0.1},
            ValueError,
            "level shift would change fractional occupations",
        ),
    ],
)
def test_bad_settings_are_explained(options, problem, message):
    with pytest.raises(problem, match=message):
        DIIS(**options)


def test_bad_solvers_are_explained(helium):
    allowed = r"allowed are jsci\.dft\.DIIS\(\.\.\.\) and jsci\.dft\.Newton\(\.\.\.\)"
    for solver in (None, Newton, jsci.DIIS(rtol=1e-6, atol=1e-6)):
        with pytest.raises(TypeError, match=allowed):
            scf(helium, xc("hf"), solver=solver)
    with pytest.raises(ValueError, match=f"solver is 'bfgs'; {allowed}"):
        scf(helium, xc("hf"), solver="bfgs")
    with pytest.raises(ValueError, match="set temperature=0, or let scf use DIIS alone"):
        Newton(first=DIIS(temperature=0.01))
    with pytest.raises(ValueError, match="set temperature=0"):
        stable_scf(helium, xc("hf"), solver=DIIS(temperature=0.01))
    with pytest.raises(TypeError, match=r"first must be a jsci\.dft\.DIIS"):
        Newton(first=0.2)


VERBS = {
    "scf": lambda m, **options: scf(m, xc("hf"), **options).energy,
    "energy": lambda m, **options: energy(xc("hf"), **options)(None, m),
    "forces": lambda m, **options: forces(m, xc("hf"), **options),
    "polarisability": lambda m, **options: polarisability(m, xc("hf"), **options),
    "hessian": lambda m, **options: hessian(m, xc("hf"), **options),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_old_keywords_do_what_the_solver_does(helium, verb):
    """Bit by bit: they are turned into the solver before anything else."""
    value = VERBS[verb]
    with pytest.warns(DeprecationWarning, match=rf"{verb}\(level_shift=, damping=\) is deprecated"):
        old = value(helium, level_shift=0.1, damping=0.2)
    np.testing.assert_array_equal(old, value(helium, solver=DIIS(level_shift=0.1, damping=0.2)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"solver": "diis"}, DIIS()),
        ({"solver": "newton"}, Newton()),
        ({"solver": "newton", "damping": 0.2}, Newton(first=DIIS(damping=0.2))),
        ({"temperature": 0.01}, DIIS(temperature=0.01)),
        ({"temperature": 0.0}, DIIS()),
    ],
)
def test_the_warning_says_what_to_write(old, new):
    given = []
    # The shape checks of the test run add stack frames that users do not have.
    accepts = inspect.unwrap(old_keywords.accepts_old_keywords)
    call = accepts(lambda *, solver=None: given.append(solver))
    advice = re.escape(f"Use solver=jsci.dft.{new!r} instead")
    with pytest.warns(DeprecationWarning, match=advice):
        call(**old)
    assert given == [new]


def test_the_new_spelling_is_silent_and_a_mixture_is_refused(helium):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scf(helium, xc("hf"), solver=Newton())
    with pytest.raises(TypeError, match="damping: give them to the solver"):
        scf(helium, xc("hf"), solver=Newton(), damping=0.2)


def test_a_hessian_takes_the_guess_and_flags_what_did_not_converge(helium):
    solution = scf(helium, xc("hf"), tolerance=1e-14)
    again = hessian(helium, xc("hf"), guess=solution, solver=Newton())
    np.testing.assert_allclose(again, 0, atol=1e-9)
    assert np.isnan(hessian(helium, xc("hf"), max_steps=1, throw=False)).all()
    with pytest.raises(RuntimeError, match="did not converge"):
        hessian(helium, xc("hf"), max_steps=1)
