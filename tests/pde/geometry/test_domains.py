import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import qmc

from jaxsci import pde
from jaxsci.pde._points.lowdiscrepancy import sobol_points

SQUARE = pde.Box((0.0, -1.0), (2.0, 1.0))
DISK = pde.Ball((0.5, 0.0), 0.75)
DOMAINS = {
    "interval": pde.Interval(-1.0, 3.0),
    "box": SQUARE,
    "disk": DISK,
    "ball": pde.Ball((0.0, 1.0, 2.0), 2.0),
    "line": pde.Ball((1.0,), 0.5),
    "polygon": pde.Polygon([(-1, -1), (-1, 1), (1, 1), (1, 0), (0, 0), (0, -1)]),
    "union": SQUARE | DISK,
    "intersection": SQUARE & DISK,
    "difference": SQUARE - DISK,
    "spacetime": (SQUARE - DISK).during(0.5, 1.5),
}
# The disk sticks out of the square by its part left of x = 0: a circular segment.
_ANGLE = 2 * np.arccos(0.5 / 0.75)
_SEGMENT = 0.75**2 / 2 * (_ANGLE - np.sin(_ANGLE))
_DISK = np.pi * 0.75**2
MEASURES = {
    "interval": 4.0,
    "box": 4.0,
    "disk": _DISK,
    "ball": 4 / 3 * np.pi * 8,
    "line": 1.0,
    "polygon": 3.0,
    "union": 4 + _SEGMENT,
    "intersection": _DISK - _SEGMENT,
    "difference": 4 - _DISK + _SEGMENT,
    "spacetime": 4 - _DISK + _SEGMENT,
}


@pytest.mark.parametrize("name", DOMAINS)
def test_points_lie_inside_and_measure_is_right(name, key):
    domain = DOMAINS[name]
    points = pde.uniform(domain, 200)(key)
    assert points.shape == (200, domain.dim)
    assert len(np.unique(points, axis=0)) == 200  # enough candidates: none is repeated
    assert bool(jax.vmap(domain.contains)(points).all())
    np.testing.assert_allclose(domain.measure, MEASURES[name], rtol=0.01)
    lower, upper = domain.bounds
    assert (points >= lower[None]).all() and (points <= upper[None]).all()
    outside = jnp.asarray(upper) + 1.0
    assert not domain.contains(outside)


@pytest.mark.parametrize("name", DOMAINS)
def test_boundary_points_are_on_the_boundary_and_normals_point_outward(name, key):
    domain = DOMAINS[name]
    for piece_name, piece in domain.boundary.items():
        if name in ("union", "spacetime", "intersection") and piece.measure == 0:
            continue
        points = pde.uniform(piece, 20)(key)
        normals = jax.vmap(piece.normal)(points)
        np.testing.assert_allclose(jnp.linalg.norm(normals, axis=1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(jax.vmap(domain.level)(points), 0.0, atol=1e-12)
        inside = jax.vmap(domain.contains)(points - 1e-5 * normals)
        outside = jax.vmap(domain.contains)(points + 1e-5 * normals)
        assert inside.all() and not outside.any(), piece_name


def test_points_of_a_polygon_are_uniform(key):
    """A concave kite: its centroid is that of its two triangles, weighted by their areas."""
    corners = np.array([(0.0, 0.0), (2.0, 1.0), (0.0, 4.0), (0.5, 1.0)])
    kite = pde.Polygon(corners.tolist())
    triangles = corners[[[0, 1, 3], [1, 2, 3]]]
    sides = triangles[:, 1:] - triangles[:, :1]
    areas = np.abs(np.linalg.det(sides)) / 2
    np.testing.assert_allclose(kite.measure, areas.sum())
    centroid = areas @ triangles.mean(axis=1) / areas.sum()
    points = pde.sobol(kite, 1024)(key)
    np.testing.assert_allclose(points.mean(axis=0), centroid, atol=0.01)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([(0, 0), (1, 0)], "at least three corners"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "edges 0 and 2 touch or cross"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], "edges 1 and 2 touch or cross"),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], "edges 0 and 1 touch or cross"),
    ],
)
def test_polygons_that_are_none(corners, message):
    with pytest.raises(ValueError, match=message):
        pde.Polygon(corners)


def test_lengths_of_boundary_pieces():
    box, disk = SQUARE.boundary, DISK.boundary
    assert list(box) == ["x0_lower", "x0_upper", "x1_lower", "x1_upper"]
    assert sum(piece.measure for piece in box.values()) == 8.0
    np.testing.assert_allclose(disk["sphere"].measure, 2 * np.pi * 0.75)
    assert list(DOMAINS["interval"].boundary) == ["left", "right"]
    walls = SQUARE.during(0.5, 3.5).boundary
    assert [walls[name].measure for name in ("initial", "x0_lower")] == [4.0, 6.0]
    arc = (SQUARE - DISK).boundary["second.sphere"]
    np.testing.assert_allclose(arc.measure, 0.75 * (2 * np.pi - _ANGLE), rtol=0.01)


@pytest.mark.parametrize("name", ["disk", "ball"])
def test_points_of_a_ball_are_uniform(name, key):
    """E|x - c|² = r² d/(d + 2) and E[x - c] = 0."""
    ball = DOMAINS[name]
    offset = pde.sobol(ball, 4096)(key) - jnp.asarray(ball.center)[None]
    expected = ball.radius**2 * ball.dim / (ball.dim + 2)
    np.testing.assert_allclose(jnp.mean(jnp.sum(offset**2, axis=1)), expected, rtol=3e-3)
    np.testing.assert_allclose(jnp.mean(offset, axis=0), 0.0, atol=1e-2)


def test_sobol_is_scipys_sequence_up_to_the_shift(key):
    dim, n = 16, 64
    ours = (np.asarray(sobol_points(key, n, dim)) * 2**30).astype(np.int64)
    theirs = (qmc.Sobol(dim, scramble=False, bits=30).random(n) * 2**30).astype(np.int64)
    np.testing.assert_array_equal(ours ^ ours[:1], theirs ^ theirs[:1])


def test_latin_hypercube_has_one_point_in_each_slice(key):
    points = pde.latin_hypercube(SQUARE, 32)(key)
    lower, upper = SQUARE.bounds
    slices = np.floor((np.asarray(points) - lower) / (upper - lower) * 32)
    np.testing.assert_array_equal(np.sort(slices, axis=0), np.arange(32)[:, None] * np.ones(2))


@pytest.mark.parametrize("sampler", [pde.uniform, pde.sobol, pde.latin_hypercube])
def test_samplers_are_pure_functions_of_the_key(sampler, key):
    sample = sampler(SQUARE - DISK, 16)
    np.testing.assert_allclose(sample(key), jax.jit(sample)(key), rtol=1e-14)
    batched = jax.vmap(sample)(jax.random.split(key, 2))
    np.testing.assert_allclose(batched[1], sample(jax.random.split(key, 2)[1]), rtol=1e-14)
    assert (batched[0] != batched[1]).any()


def test_sobol_integrates_better_than_uniform(key):
    keys = jax.random.split(key, 8)
    mean = lambda x: jnp.mean(jnp.cos(x[..., 0]) * jnp.exp(x[..., 1]))  # noqa: E731
    exact = np.sin(2) / 2 * np.sinh(1)
    errors = [
        np.sqrt(np.mean([(mean(s(SQUARE, 256)(k)) - exact) ** 2 for k in keys]))
        for s in (pde.uniform, pde.sobol)
    ]
    assert errors[1] < 0.1 * errors[0]


def test_residual_adaptive_goes_where_the_residual_is(key):
    def bump(params, x):
        return params * jnp.exp(-50 * jnp.sum((x - 0.5) ** 2))

    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    sample = pde.residual_adaptive(square, 200, bump, floor=0.0, candidates=20)
    points = jax.jit(sample)(key, jnp.array(3.0))
    distance = jnp.mean(jnp.sum((points - 0.5) ** 2, axis=1))
    # Density ∝ exp(-50 r²) has E[r²] = 1/50; uniform on the square has 1/6.
    assert distance < 0.04
    assert len(np.unique(points, axis=0)) == 200
    bad = pde.residual_adaptive(
        square, 50, lambda p, x: jnp.where(x[0] < 0.5, jnp.nan, 1.0), floor=0.0
    )
    assert (bad(key, 0.0)[:, 0] >= 0.5).all()


def test_joint_gives_each_term_its_own_points(key):
    data = pde.joint({"a": pde.uniform(SQUARE, 4), "b": pde.uniform(SQUARE, 4)})(key)
    assert set(data) == {"a", "b"} and (data["a"] != data["b"]).any()


def test_bad_input(key):
    far = pde.Ball((10.0, 0.0), 1.0)
    with pytest.raises(ValueError, match="lower < upper in each coordinate"):
        pde.Box((0.0, 0.0), (1.0, 0.0))
    with pytest.raises(ValueError, match="positive radius, got -1"):
        pde.Ball((0.0,), -1.0)
    with pytest.raises(ValueError, match="1, 2 or 3 dimensions"):
        pde.Ball((0.0,) * 4, 1.0)
    with pytest.raises(ValueError, match="one dimension combine, got 2 and 1"):
        _ = SQUARE | pde.Interval(0.0, 1.0)
    with pytest.raises(TypeError, match=r"in space first, then call \.during"):
        _ = SQUARE & DISK.during(0.0, 1.0)
    with pytest.raises(ValueError, match="start < end, got 1.0 and 0.0"):
        SQUARE.during(1.0, 0.0)
    with pytest.raises(ValueError, match="intersection is empty"):
        pde.uniform(SQUARE & far, 5)
    with pytest.raises(ValueError, match="Part is empty or too thin"):
        pde.uniform((SQUARE - far).boundary["second.sphere"], 5)
    with pytest.raises(KeyError, match="no boundary piece 'roof', but 'x0_lower', 'x0_upper'"):
        SQUARE.boundary["roof"]
    with pytest.raises(ValueError, match="positive integer, got 0"):
        pde.uniform(SQUARE, 0)
    with pytest.raises(ValueError, match="sobol has direction numbers for 16"):
        pde.sobol(pde.Box((0.0,) * 17, (1.0,) * 17), 4)
    with pytest.raises(ValueError, match=r"One point of shape \(2,\)"):
        SQUARE.contains(jnp.zeros(3))
    with pytest.raises(ValueError, match="at least 2 candidates"):
        pde.residual_adaptive(SQUARE, 5, lambda p, x: x, candidates=1)
    with pytest.raises(ValueError, match="at least one sampler"):
        pde.joint({})
    with pytest.raises(TypeError, match="The sampler of 'pde' is a"):
        pde.joint({"pde": jnp.zeros((3, 2))})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("where", ["inside", "edge"])
def test_a_sampler_of_a_combination_can_be_made_inside_of_jit(where, key):
    """As in data=lambda key: {...}, which fit traces."""
    keyhole = pde.Box((0.0, 0.0), (1.0, 1.0)) | pde.Ball((1.0, 0.5), 0.4)
    region = keyhole if where == "inside" else keyhole.boundary["first.x0_upper"]
    draw = lambda key: pde.uniform(region, 8)(key)  # noqa: E731
    np.testing.assert_allclose(jax.jit(draw)(key), draw(key), rtol=1e-12)


def test_a_number_of_points_may_be_numpys(key):
    square = pde.Box((0.0, 0.0), (1.0, 1.0))
    assert pde.uniform(square, np.int64(5))(key).shape == (5, 2)
    with pytest.raises(ValueError, match=r"positive integer, got 4\.5"):
        pde.uniform(square, 4.5)  # pyright: ignore[reportArgumentType]
