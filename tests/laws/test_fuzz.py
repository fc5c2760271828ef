"""Bad input to public entries: an error, a flag (not finite), or the right answer.

Values are drawn at fixed shapes, so each entry compiles once. The answers come from NumPy in
extended precision, where nothing overflows that float64 holds.
"""

import pathlib

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from entries import ENTRIES, Entry
from further_entries import FURTHER
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from jax.flatten_util import ravel_pytree
from layers import LAYERS
from public import EXEMPT, public_names, used_names
from strategies import TRIED

ERRORS = (ValueError, TypeError, IndexError, RuntimeError)
QUICK = [entry for entry in ENTRIES if entry.answer]
OTHERS = [entry for entry in ENTRIES if not entry.answer] + FURTHER
SLOW = [pytest.param(entry, marks=pytest.mark.slow) for entry in OTHERS]

# Squares of 1e-160 vanish and those of 1e160 overflow; 1e-310 is denormal.
SPECIAL = [0.0, -0.0, 1e-310, -1e-160, 1e-8, 1e160, -1e300, np.nan, np.inf, -np.inf]
NUMBERS = st.floats(-3, 3) | st.sampled_from(SPECIAL)


@pytest.fixture(autouse=True)
def as_users_have_it():
    """Without the run-time checks of annotations, which only the tests have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    with jax.numpy_rank_promotion("allow"):
        yield
    jaxtyping.config.update("jaxtyping_disable", False)


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def check(entry, x, out):
    """The law for one input and what came out."""
    values = leaves(out)
    if not all(np.isfinite(v).all() for v in values):
        return  # a flag
    if entry.answer is None:  # networks may saturate at infinity
        assert not np.isnan(x).any(), f"{entry.name}: NaN went in, {out} came out"
        return
    # XLA takes denormal numbers for zero.
    x = np.where(np.abs(x) < np.finfo(float).tiny, 0.0, x)
    known = leaves(entry.answer(x.astype(np.longdouble)))
    assert all(np.isfinite(v).all() for v in known), f"{entry.name}({x!r}) = {out}, not {known}"
    bound = leaves(entry.answer(np.abs(x).astype(np.longdouble)))
    for got, want, terms in zip(values, known, bound, strict=True):
        assert got.shape == want.shape, f"{entry.name}: shape {got.shape}, not {want.shape}"
        # Rounding is relative to the terms that are added, and squares may underflow.
        scale = max(np.abs(want).max(), np.abs(terms).max())
        error = np.abs(got - want).max()
        assert error <= 1e-10 * scale + entry.atol, f"{entry.name}({x!r}) = {got!r}, not {want!r}"


def draw_and_check(entry, examples):
    call = jax.jit(entry.call)
    good = leaves(call(jnp.asarray(entry.x)))
    assert all(np.isfinite(leaf).all() for leaf in good), "a row must work at its own input"

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(hnp.arrays(np.float64, entry.x.shape, elements=NUMBERS))
    def law(x):
        TRIED["values"] += 1
        try:
            out = jax.block_until_ready(call(jnp.asarray(x)))
        except ERRORS:
            return
        check(entry, x, out)

    law()


@pytest.mark.parametrize("entry", QUICK, ids=lambda e: e.name)
def test_strange_values(entry):
    draw_and_check(entry, 40)


@pytest.mark.slow
@pytest.mark.parametrize("entry", [*QUICK, *OTHERS], ids=lambda e: e.name)
def test_many_strange_values(entry):
    draw_and_check(entry, 300)


@pytest.mark.slow
@pytest.mark.parametrize("make", LAYERS, ids=lambda make: make.__name__)
def test_many_strange_values_of_a_layer(make):
    f, params, batch = make()
    x, unravel = ravel_pytree(jax.tree.map(lambda a: a[0], batch))
    entry = Entry(make.__name__, lambda x: f(params, unravel(x)), np.asarray(x))
    draw_and_check(entry, 100)


def test_every_public_name_is_fuzzed_or_exempt_for_a_reason():
    here = pathlib.Path(__file__).parent
    sources = [here / "layers.py", here / "entries.py", *here.glob("test_fuzz*.py")]
    fuzzed = set().union(*map(used_names, sources))
    fuzzed |= {word for entry in [*QUICK, *OTHERS] for word in entry.name.split()}
    exempt = [name for names in EXEMPT.values() for name in names.split()]
    public = set(public_names())
    assert sorted(public - fuzzed - set(exempt)) == [], "needs a row in the entries, or a reason"
    assert sorted(fuzzed & set(exempt)) == [], "fuzzed and exempt"
    assert sorted(set(exempt) - public) == [] and len(set(exempt)) == len(exempt)


def structures(x):
    """Inputs of other ranks, sizes and dtypes."""
    yield x[None]
    yield np.array(0.5)
    if x.ndim:
        yield from (x[0], x[..., :-1], np.concatenate([x, x], -1), x[:0], x[:-1])
    yield from (np.ones(x.shape, int), np.ones(x.shape, bool), x.astype(np.float32), x + 0j)


@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types:FutureWarning")
@pytest.mark.parametrize("entry", [*QUICK, *SLOW], ids=lambda e: e.name)
def test_strange_structures(entry):
    for x in structures(entry.x):
        TRIED["structures"] += 1
        try:
            out = entry.call(jnp.asarray(x))
        except ERRORS:
            continue
        if entry.answer is not None and all(np.isfinite(v).all() for v in leaves(out)):
            try:
                known = leaves(entry.answer(x.astype(complex if x.dtype.kind == "c" else float)))
            except IndexError:
                continue  # NumPy refuses an index of the user's own function, which JAX clamps
            for got, want in zip(leaves(out), known, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-4, err_msg=f"{entry.name}({x!r})")
                assert got.shape == want.shape
