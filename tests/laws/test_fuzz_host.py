"""What is built on the host from anything: a clear error, or exactly what was asked for."""

import math
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import NUMBERS, fuzz

import jaxsci as jsci

FIELDS = st.sampled_from(
    ["H", "h", "He", "O1", "", "1", "2", "-1", "0", "²", "1e3", "nan", "1_0", "0x1", "-.5", "é"]
)
LINES = st.lists(FIELDS, max_size=6).map(" ".join)
WATER = ["3", "water", "O 0 0 0.117", "H 0 0.757 -0.47", "H 0 -0.757 -0.47"]


@st.composite
def xyz_files(draw):
    """Water with some lines replaced, left out or added, or no such thing at all."""
    if draw(st.booleans()):
        return "\n".join(draw(st.lists(LINES, max_size=6)))
    lines = list(WATER)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(lines)))
        lines[place : place + draw(st.integers(0, 1))] = draw(st.lists(LINES, max_size=2))
    return "\n".join(lines)


def read(content: bytes):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "molecule.xyz")
        path.write_bytes(content)
        return jsci.dft.read_xyz(path)


@fuzz(xyz_files())
def test_a_molecule_is_read_as_it_stands_or_refused_by_its_line(text):
    try:
        atoms = read(text.encode())
    except ValueError as problem:
        assert "line " in str(problem)
        return
    lines = text.splitlines()
    assert len(atoms) == int(lines[0])
    for (symbol, position), line in zip(atoms, lines[2:], strict=False):
        written = line.split()
        assert symbol.lower() == written[0].lower()
        np.testing.assert_array_equal(position, [float(number) for number in written[1:4]])


@fuzz(st.binary(max_size=60))
def test_bytes_that_are_no_text_are_refused(content):
    with pytest.raises(ValueError):
        read(content)


@fuzz(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_a_box_is_refused_or_holds_its_samples(lower, upper):
    good = all(0 < b - a < math.inf for a, b in zip(lower, upper, strict=True))
    try:
        box = jsci.pde.Box(lower, upper)
    except ValueError:
        assert not good
        return
    assert good
    for sampler in (jsci.pde.uniform, jsci.pde.sobol, jsci.pde.latin_hypercube):
        x = np.asarray(sampler(box, 4)(jax.random.key(0)))
        rounding = 4 * np.finfo(float).eps * np.maximum(np.abs(lower), np.abs(upper))
        # XLA takes denormal numbers for zero.
        rounding += np.finfo(float).tiny
        assert x.shape == (4, 2)
        assert (x >= np.subtract(lower, rounding)).all() and (x <= np.add(upper, rounding)).all()


@fuzz(st.tuples(NUMBERS, NUMBERS), NUMBERS)
def test_a_ball_is_refused_or_holds_its_samples(center, radius):
    good = radius > 0 and all(math.isfinite(abs(c) + radius) for c in center)
    try:
        ball = jsci.pde.Ball(center, radius)
    except ValueError:
        assert not good
        return
    assert good
    x = np.asarray(jsci.pde.uniform(ball, 4)(jax.random.key(0)))
    rounding = 4 * np.finfo(float).eps * (np.abs(center).max() + radius) + np.finfo(float).tiny
    assert x.shape == (4, 2) and np.isfinite(x).all()
    assert (np.hypot(*(x - center).T) <= radius + rounding).all()
