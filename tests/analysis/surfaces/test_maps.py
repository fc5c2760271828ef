"""Maps: planted ones are found from landmarks, and each step is what NumPy does with it."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from benchmarks.cases.analysis._problems import bent_pair, farthest, landmark_kernels
from jaxsci import analysis


@pytest.fixture(scope="module")
def pair():
    one, two, order = bent_pair(3)
    bases = [analysis.mesh_laplacian(*mesh).basis(40) for mesh in (one, two)]
    return one[0], bases, order


@pytest.fixture(scope="module")
def kernels(pair):
    vertices, bases, order = pair
    marks = farthest(vertices, 6)
    return [
        landmark_kernels(basis, at)
        for basis, at in zip(bases, (marks, np.argsort(order)[marks]), strict=True)
    ]


def first(basis, k):
    return analysis.Basis(basis.values[:k], basis.functions[:, :k], basis.mass)


def distance(pair, points):
    """The mean distance of what is found from the truth, as a share of the root of the area."""
    vertices, (one, _), order = pair
    return np.linalg.norm(vertices[points] - vertices[order], axis=1).mean() / one.mass.sum() ** 0.5


def test_finds_the_planted_map(pair, kernels):
    """From six landmarks; refined it is better than its bases' true map of the first size."""
    one, two = pair[1]
    errors = {}
    for mask in ("laplacian", "resolvent", np.zeros((20, 20))):
        C = analysis.functional_map(first(one, 20), first(two, 20), *kernels, mask=mask)
        before = analysis.pointwise(C, one, two)
        refined = analysis.zoomout(C, one, two, step=5)
        after = analysis.pointwise(refined, one, two)
        name = mask if isinstance(mask, str) else "none"
        errors[name] = distance(pair, before), distance(pair, after)
    assert errors["laplacian"][1] < min(0.03, errors["laplacian"][0])
    assert errors["resolvent"][1] < 0.03
    assert errors["laplacian"][0] < errors["none"][0]


def test_is_the_least_squares_solution(pair, kernels):
    """Row by row, with the mask as further equations beside those of 18 pairs."""
    one, two = (first(basis, 8) for basis in pair[1])
    strength, mask = 0.3, np.random.default_rng(0).random((8, 8))
    C = analysis.functional_map(one, two, *kernels, mask=mask, strength=strength)
    sides = []
    for basis, f in zip((one, two), kernels, strict=True):
        mass = np.asarray(basis.mass)
        f = f / np.sqrt((mass[:, None] * f**2).sum(0))
        sides.append(np.asarray(basis.functions).T @ (mass[:, None] * f))
    for i in range(8):
        rows = np.concatenate([sides[0].T, np.diag(np.sqrt(18 * strength * mask[i]))])
        known = np.concatenate([sides[1][i], np.zeros(8)])
        np.testing.assert_allclose(C[i], np.linalg.lstsq(rows, known)[0], atol=1e-9)


def test_masks_are_those_of_the_papers(pair, kernels):
    one, two = (first(basis, 6) for basis in pair[1])
    values = [np.asarray(basis.values) for basis in (one, two)]
    x, y = (v / max(values[0][-1], values[1][-1]) for v in values)
    roots = np.sqrt(x), np.sqrt(y)
    resolvent = [1 / (r - 1j) for r in roots]  # of the square root of the Laplacian, at i
    masks = {
        "laplacian": (y[:, None] - x) ** 2,
        "resolvent": np.abs(resolvent[1][:, None] - resolvent[0]) ** 2,
    }
    for name, mask in masks.items():
        np.testing.assert_allclose(
            analysis.functional_map(one, two, *kernels, mask=name),
            analysis.functional_map(one, two, *kernels, mask=mask),
            atol=1e-10,
        )


def test_points_are_the_nearest(pair):
    """The true map gives the planted order, and any map the neighbours that distances say."""
    _, (one, two), order = pair
    true = two.functions.T @ (two.mass[:, None] * one.functions[order])
    assert np.mean(np.asarray(analysis.pointwise(true, one, two)) == order) > 0.9
    C = np.random.default_rng(0).standard_normal((9, 7))
    mapped = np.asarray(one.functions[:, :7]) @ C.T
    gaps = mapped[None] - np.asarray(two.functions[:, :9])[:, None]
    nearest = np.linalg.norm(gaps, axis=2).argmin(1)
    np.testing.assert_array_equal(analysis.pointwise(C, one, two), nearest)


def test_zoomout_is_its_loop(pair):
    one, two = pair[1]
    C = start = np.random.default_rng(0).standard_normal((4, 5))
    for k2, k1 in ((6, 7), (8, 8)):
        points = np.asarray(analysis.pointwise(C, one, two))
        mass = np.asarray(two.mass)[:, None]
        C = np.asarray(two.functions)[:, :k2].T @ (mass * np.asarray(one.functions)[points, :k1])
    found = analysis.zoomout(start, one, two, size=8, step=2)
    np.testing.assert_allclose(found, C, atol=1e-12)


def test_derivative_of_the_map_in_its_mask(pair, kernels):
    one, two = (first(basis, 5) for basis in pair[1])

    def size(strength):
        return jnp.sum(analysis.functional_map(one, two, *kernels, strength=strength) ** 3)

    h = 1e-4
    slope = (size(0.1 + h) - size(0.1 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(size)(0.1), slope, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f": np.ones((3, 2))}, r"f must be functions on 642 vertices, \(642, d\), got \(3, 2\)"),
        ({"g": np.ones((642, 2))}, "must be pairs, got 1 and 2 functions"),
        ({"f": np.zeros((642, 1))}, r"f\[:, 0\] is zero or not finite"),
        ({"g": np.full((642, 1), np.nan)}, r"g\[:, 0\] is zero or not finite"),
        ({"mask": "none"}, "mask must be an array or one of"),
        ({"mask": np.ones((2, 3))}, r"mask must be \(k₂, k₁\) = \(40, 40\), got \(2, 3\)"),
        ({"mask": -np.ones((40, 40))}, "mask must not be negative, got -1.0"),
    ],
)
def test_map_refuses(pair, change, message):
    good = {"f": np.ones((642, 1)), "g": np.ones((642, 1))}
    with pytest.raises(ValueError, match=message):
        analysis.functional_map(*pair[1], **(good | change))


def test_refinement_refuses(pair):
    bases = pair[1]
    with pytest.raises(ValueError, match=r"at most \(k₂, k₁\) = \(40, 40\), got \(41, 1\)"):
        analysis.pointwise(np.ones((41, 1)), *bases)
    with pytest.raises(ValueError, match=r"size must be between .* got 3"):
        analysis.zoomout(np.ones((4, 4)), *bases, size=3)
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        analysis.zoomout(np.ones((4, 4)), *bases, step=0)


@pytest.fixture(scope="module")
def square():
    vertices = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [0.0, 2.0]])
    return vertices, analysis.mesh_laplacian(vertices, np.array([[0, 1, 2], [0, 2, 3]])).basis(4)


def test_maps_that_are_not_finite_are_refused_or_flagged(square):
    basis = square[1]
    for function in (analysis.pointwise, analysis.zoomout):
        with pytest.raises(ValueError, match="9 entries that are not finite"):
            function(np.full((3, 3), np.nan), basis, basis)
    broken = jnp.full((3, 3), jnp.nan)
    assert (jax.jit(lambda c: analysis.pointwise(c, basis, basis))(broken) == -1).all()
    assert jnp.isnan(jax.jit(lambda c: analysis.zoomout(c, basis, basis))(broken)).all()


def test_a_map_of_another_type(square, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # of the tests alone
    basis = square[1]
    expected = analysis.zoomout(np.eye(3), basis, basis)
    for dtype in (int, np.float32):
        found = analysis.zoomout(np.eye(3, dtype=dtype), basis, basis)
        np.testing.assert_array_equal(found, expected)


def test_constant_functions_alone_small_ones_and_strengths(square):
    vertices, basis = square
    constant = first(basis, 1)
    found = analysis.functional_map(constant, constant, vertices, vertices)
    assert found == pytest.approx(1, abs=1e-9)
    small = analysis.functional_map(basis, basis, 1e-200 * vertices, vertices)
    expected = analysis.functional_map(basis, basis, vertices, vertices)
    np.testing.assert_allclose(small, expected, atol=1e-12)
    with pytest.raises(ValueError, match="strength must be at least 0"):
        analysis.functional_map(basis, basis, vertices, vertices, strength=-1e-3)
