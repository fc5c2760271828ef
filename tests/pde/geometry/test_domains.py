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
    "ellipse": pde.Ellipse((0.5, -1.0), (2.0, 0.5)),
    "cylinder": pde.Cylinder((0.0, 0.0, 0.0), (1.0, 2.0, 2.0), 0.5),
    "torus": pde.Torus((1.0, 0.0, 0.0), 2.0, 1.5, axis=(0.0, 3.0, 4.0)),
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
    "ellipse": np.pi,
    "cylinder": np.pi * 0.75,
    "torus": 9 * np.pi**2,
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
    for i in range(domain.dim):  # of a place that is not known
        assert np.isnan(domain.level(outside.at[i].set(jnp.nan)))


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


def test_polygons_have_any_size():
    tiny = pde.Polygon([(0, 0), (1e-9, 0), (0, 1e-9)])
    np.testing.assert_allclose(tiny.measure, 0.5e-18)
    with pytest.raises(ValueError, match="edges 0 and 1 touch or cross"):
        pde.Polygon([(0, 0), (2e9, 0), (1e9, 0), (1e9, 1e9)])


@pytest.mark.parametrize("name", ["box", "ball", "polygon", "ellipse", "cylinder", "torus"])
def test_points_in_single_precision_stay_there(name):
    for region in (DOMAINS[name], *DOMAINS[name].boundary.values()):
        point = jax.eval_shape(region.from_unit, jnp.zeros(region.unit_dim, jnp.float32))
        assert point.dtype == jnp.float32, region


def test_time_is_finite():
    for start, end in ((0.0, np.inf), (-np.inf, 0.0)):
        with pytest.raises(ValueError, match="Time must be finite"):
            SQUARE.during(start, end)


@pytest.mark.parametrize("name", DOMAINS)
def test_a_level_takes_one_point_of_the_domain(name):
    """One number is a point of no plane, and would be taken for all of its coordinates."""
    domain = DOMAINS[name]
    for size in {1, domain.dim + 1} - {domain.dim}:
        with pytest.raises(ValueError, match=rf"One point of shape \({domain.dim},\)"):
            domain.level(jnp.full(size, 0.1))


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


def test_points_of_round_domains_and_of_their_surfaces_are_uniform(key):
    """By second moments: of the ellipse's rim ∫x² ds, of a tube E ρ² and of a ring's inside."""
    wide = pde.Ellipse((0.0, 0.0), (2.0, 0.5))
    angle = np.linspace(0.0, 2 * np.pi, 100_000, endpoint=False)
    speed = np.hypot(2 * np.sin(angle), 0.5 * np.cos(angle))
    rim = wide.boundary["rim"]
    np.testing.assert_allclose(rim.measure, 2 * np.pi * speed.mean(), rtol=1e-9)
    moment = np.mean(speed * 4 * np.cos(angle) ** 2) / speed.mean()
    found = jnp.mean(pde.sobol(rim, 4096)(key)[:, 0] ** 2)
    np.testing.assert_allclose(found, moment, rtol=1e-3)

    ring = pde.Torus((0.0, 0.0, 0.0), 2.0, 1.5)
    mean_square = lambda region: jnp.mean(jnp.sum(pde.sobol(region, 4096)(key)[:, :2] ** 2, axis=1))  # noqa: E731
    # E(R + r cos φ)² under the density 1 + (r/R) cos φ, with r² or its mean over the disc.
    for region, square in ((ring.boundary["tube"], 1.5**2), (ring, 1.5**2 / 2)):
        np.testing.assert_allclose(mean_square(region), 4 + 1.5 * square, rtol=3e-3)
    rod = DOMAINS["cylinder"]
    lengths = [piece.measure for piece in rod.boundary.values()]
    np.testing.assert_allclose(lengths, [np.pi / 4, np.pi / 4, 3 * np.pi])
    np.testing.assert_allclose(pde.sobol(rod, 4096)(key).mean(axis=0), [0.5, 1.0, 1.0], atol=5e-3)


def test_a_hole_of_a_ring_has_a_smooth_level():
    """On its axis, where the distance from the ring has a kink."""
    around = pde.Box((-4.0,) * 3, (4.0,) * 3) - pde.Torus((0.0, 0.0, 0.0), 2.0, 0.5)
    slope = jax.grad(around.level)
    near, far = (slope(jnp.array([s, 0.0, 0.1])) for s in (1e-9, -1e-9))
    np.testing.assert_allclose(near, far, atol=1e-7)
    assert around.contains(jnp.zeros(3)) and not around.contains(jnp.array([2.0, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pde.Ellipse((0.0, 0.0), (1.0, 0.0)), "positive, finite semi_axes"),
        (lambda: pde.Ellipse((0.0, 0.0, 0.0), (1.0, 1.0)), "2 finite numbers as center"),
        (lambda: pde.Cylinder((0.0,) * 3, (0.0,) * 3, 1.0), "two ends that differ"),
        (lambda: pde.Cylinder((0.0,) * 3, (0.0, 0.0, np.inf), 1.0), "3 finite numbers as end"),
        (lambda: pde.Cylinder((0.0,) * 3, (0.0, 0.0, 1.0), -1.0), "positive, finite radius"),
        (lambda: pde.Torus((0.0,) * 3, 1.0, 1.0), "major > minor > 0"),
        (lambda: pde.Torus((0.0,) * 3, 2.0, 1.0, axis=(0.0,) * 3), "an axis that is not zero"),
    ],
)
def test_round_domains_that_are_none(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def _scan(n=400):
    """Points of an ellipsoid at the angles of a sunflower, and their normals."""
    z, angle = 1 - (2 * np.arange(n) + 1) / n, np.pi * (3 - 5**0.5) * np.arange(n)
    flat = np.sqrt(1 - z**2)
    unit = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)
    axes = np.array([1.0, 0.8, 0.6])
    return unit * axes, unit / axes


def test_a_point_cloud_is_the_domain_that_was_scanned(key):
    points, normals = _scan()
    cloud = pde.PointCloud(points, normals)
    np.testing.assert_allclose(cloud.measure, 4 / 3 * np.pi * 0.48, rtol=0.02)
    with pytest.raises(ValueError, match=r"shape \(3,\) is needed, got shape \(1,\)"):
        cloud.level(jnp.ones(1))
    # Thomsen's formula for the area, right to 1.1 %
    p, (a, b, c) = 1.6075, np.array([1.0, 0.8, 0.6]) ** 1.6075
    area = 4 * np.pi * ((a * b + a * c + b * c) / 3) ** (1 / p)
    surface = cloud.boundary["surface"]
    np.testing.assert_allclose(surface.measure, area, rtol=0.03)
    drawn = np.asarray(pde.uniform(surface, 100)(key))
    assert len(np.unique(drawn, axis=0)) == 100
    np.testing.assert_allclose(jax.vmap(cloud.level)(drawn), 0.0, atol=1e-9)
    shell = np.linalg.norm(drawn / np.array([1.0, 0.8, 0.6]), axis=1)
    np.testing.assert_allclose(shell, 1.0, atol=0.015)
    found, exact = jax.vmap(surface.normal)(drawn), drawn / np.array([1.0, 0.8, 0.6]) ** 2
    exact = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    assert np.min(np.sum(found * exact, axis=1)) > 0.998
    inside = np.asarray(pde.uniform(cloud, 100)(key))
    assert np.max(np.linalg.norm(inside / np.array([1.0, 0.8, 0.6]), axis=1)) < 1.015
    u = pde.dirichlet(lambda p, x: 1.0 + x[0], cloud)
    np.testing.assert_allclose(jax.vmap(lambda x: u(None, x))(drawn), 0.0, atol=1e-8)


def _cube():
    """The unit cube as twelve triangles, counterclockwise from outside."""
    corners = np.array([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    squares = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    return corners, np.array([t for a, b, c, d in squares for t in ([a, b, c], [a, c, d])])


def test_a_mesh_from_an_stl_file_is_a_domain(tmp_path, key):
    meshio = pytest.importorskip("meshio")
    vertices, faces = _cube()
    meshio.Mesh(vertices, [("triangle", faces)]).write(tmp_path / "part.stl", binary=True)
    part = meshio.read(tmp_path / "part.stl")
    cube = pde.PointCloud.from_mesh(part.points, part.cells_dict["triangle"], 800)
    np.testing.assert_allclose(cube.measure, 1.0, rtol=0.03)
    np.testing.assert_allclose(cube.boundary["surface"].measure, 6.0, rtol=0.05)
    inside = np.asarray(pde.uniform(cube, 100)(key))
    assert inside.min() > -0.02 and inside.max() < 1.02
    level = [float(cube.level(jnp.array([0.5, 0.5, z]))) for z in (0.95, 1.0, 1.05)]
    np.testing.assert_allclose(level, [0.05, 0.0, -0.05], atol=0.01)


def test_a_void_faces_into_itself():
    vertices, faces = _cube()
    both = np.concatenate([3 * vertices - 1, vertices])
    shell = pde.PointCloud.from_mesh(both, np.concatenate([faces, faces[:, ::-1] + 8]), 1500)
    inside = [bool(shell.keeps(jnp.array([x, 0.5, 0.5]))) for x in (0.5, 1.5, 2.5)]
    assert inside == [False, True, False]
    np.testing.assert_allclose(shell.measure, 26.0, rtol=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, f: (v, f[:-1]), "do not close a surface"),
        (lambda v, f: (v, f[:, ::-1]), "must point outward"),
        (lambda v, f: (v[:-1], f), "there are 7 vertices"),
        (lambda v, f: (v, f[:, :2]), "vertices .v, 3. and triangles"),
        # Normals of a tube without ends, and of bodies within each other, sum to zero.
        (lambda v, f: (v, f[:8]), r"wind -0\.[0-9]+ times around"),
        (lambda v, f: (np.concatenate([3 * v - 1, v]), np.concatenate([f, f + 8])), "wind 1.00"),
    ],
)
def test_meshes_that_are_none(change, message):
    with pytest.raises(ValueError, match=message):
        pde.PointCloud.from_mesh(*change(*_cube()), 200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, n: (p, None), "needs the outward normals"),
        (lambda p, n: (p, -n), "must point outward"),
        (lambda p, n: (p, n[1:]), "normals has shape"),
        (lambda p, n: (p, n * (np.arange(len(n)) > 0)[:, None]), "normal of point 0 is zero"),
        (lambda p, n: (p[:5], n[:5]), "at least 8 points"),
        (lambda p, n: (np.where(p == p[3], np.nan, p), n), "must be finite"),
        (lambda p, n: (np.concatenate([p, p[:1]]), np.concatenate([n, n[:1]])), "keep one"),
    ],
)
def test_point_clouds_that_are_none(change, message):
    with pytest.raises(ValueError, match=message):
        pde.PointCloud(*change(*_scan(60)))


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


def test_adaptive_points_avoid_residuals_that_are_not_finite():
    square = pde.Box((0.0, 0.0), (1.0, 1.0))

    def drawn(residual, **options):
        return pde.residual_adaptive(square, 200, residual, **options)(jax.random.key(0), None)

    holes = drawn(lambda params, x: jnp.where(x[0] > 0.5, jnp.nan, 1.0))
    assert np.all(holes[:, 0] <= 0.5)
    # Its square overflows.
    huge, plain = (drawn(lambda params, x, c=c: c * x[0], floor=0.0) for c in (1e200, 1.0))
    np.testing.assert_allclose(huge, plain)
