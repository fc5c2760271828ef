"""The level of every domain: zero on each piece of the boundary, with the slope it has inside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsci as jsci
from jaxsci import pde

Box = pde.Box
L_SHAPE = Box((0.0, 0.0), (1.0, 1.0)) | Box((1.0, 0.0), (2.0, 0.5))
SKEW = pde.Polygon([(0.0, 0.0), (1.0, 0.1), (0.8, 1.1), (0.3, 0.5)])
ROUGH = Box((0.1, 0.1), (0.7, 0.8))  # faces that rounding may put outside
DOMAINS = {
    "box": ROUGH,
    "polygon": SKEW,
    "clockwise square": pde.Polygon([(0, 0), (0, 1), (1, 1), (1, 0)]),
    "polygon minus disk": SKEW - pde.Ball((0.7, 0.5), 0.15),
    "disk minus polygon": pde.Ball((0.5, 0.5), 1.0) - SKEW,
    "polygon or disk": SKEW | pde.Ball((0.9, 0.6), 0.4),
    "box with a hole": Box((0.0, 0.0), (3.0, 3.0)) - Box((1.0, 1.0), (2.0, 2.0)),
    "L": L_SHAPE,
    "rectangle of two that overlap": Box((0.0, 0.0), (1.2, 1.0)) | Box((0.8, 0.0), (2.0, 1.0)),
    "steps in space": Box((0.0,) * 3, (1.0,) * 3) | Box((1.0, 0.0, 0.0), (2.0, 0.5, 0.5)),
    "boxes with a common face": Box((0.0, 0.0), (2.0, 1.0)) & Box((1.0, 0.0), (3.0, 0.7)),
    "disk over time": pde.Ball((0.3, 0.2), 0.7).during(0.0, 0.7),
    "L over time": L_SHAPE.during(0.0, 2.0),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_slope_on_the_boundary_is_the_difference_from_inside(name, key):
    """Second-order one-sided differences at steps of 1e-6; a corner nearby costs digits."""
    domain, n = DOMAINS[name], 40
    points, normals = [], []
    for piece in domain.boundary.values():
        if piece.measure > 0:
            points.append(pde.uniform(piece, n)(key))
            normals.append(jax.vmap(piece.normal)(points[-1]))
    x, normal = jnp.concatenate(points), jnp.concatenate(normals)
    levels = jax.jit(jax.vmap(jax.value_and_grad(domain.level)))
    (zero, slopes), step = levels(x), 1e-6
    near, far = (levels(x - k * step * normal)[0] for k in (1, 2))
    difference = (3 * zero - 4 * near + far) / (2 * step)
    np.testing.assert_allclose(zero, 0.0, atol=1e-12)
    assert (difference < 0).all()
    along = jnp.sum(slopes * normal, axis=1)
    np.testing.assert_allclose(along, difference, rtol=1e-3)
    # Along the boundary the level stays zero.
    np.testing.assert_allclose(slopes, along[:, None] * normal, atol=1e-7)


@pytest.mark.parametrize("name", ["polygon", "L"])
def test_second_derivatives_inside_and_on_edges(name, key):
    domain = DOMAINS[name]
    piece = next(p for p in domain.boundary.values() if p.measure > 0)
    x = jnp.concatenate([pde.uniform(d, 20)(key) for d in (domain, piece)])
    gradient = jax.jit(jax.vmap(jax.grad(domain.level)))
    exact = jax.jit(jax.vmap(jax.hessian(domain.level)))(x)
    steps = 1e-6 * jnp.eye(2)
    rows = [(gradient(x + e[None]) - gradient(x - e[None])) / 2e-6 for e in steps]
    np.testing.assert_allclose(exact, jnp.stack(rows, axis=1), rtol=1e-3, atol=1e-3)
    forward = jax.jit(jax.vmap(jsci.laplacian(domain.level)))(x)
    np.testing.assert_allclose(forward, jnp.trace(exact, axis1=1, axis2=2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("domain", "place", "across"),
    [
        (DOMAINS["rectangle of two that overlap"], (0.8, 0.4), (1, 0)),
        (Box((0.0, 0.0), (2.0, 1.0)) | Box((1.0, -1.0), (3.0, 0.5)), (1.0, 0.3), (1, 0)),
        (Box((0.0, 0.0), (2.0, 1.0)) | pde.Ball((2.0, 0.5), 0.4), (2.0, 0.6), (1, 0)),
        (DOMAINS["box with a hole"], (0.6, 0.6), (1, -1)),
        (DOMAINS["box with a hole"], (0.7, 1.0), (0, 1)),
        (DOMAINS["polygon or disk"], (0.5 + 1e-9, 0.6), (1, 0)),
    ],
)
def test_no_kink_inside(domain, place, across):
    """A kink of φ in the interior is a source on a line that no collocation point sees."""
    x, step = jnp.asarray(place), 1e-6 * jnp.asarray(across, float)
    assert domain.level(x) > 0.01
    before, here, after = (jax.grad(domain.level)(x + k * step) for k in (-1, 0, 1))
    np.testing.assert_allclose(after, before, atol=1e-4)
    np.testing.assert_allclose(here, before, atol=1e-4)


@pytest.mark.parametrize(
    ("union", "inside"),
    [
        (L_SHAPE, (1.0, 0.3)),
        (pde.Interval(0.0, 1.0) | pde.Interval(1.0, 3.0), (1.0,)),
        (pde.Interval(0.0, 0.1 + 0.2) | pde.Interval(0.3, 1.0), (0.3,)),
        (pde.Interval(0.3, 1.0) | pde.Interval(0.0, 0.1 + 0.2), (0.3,)),
        (DOMAINS["steps in space"], (1.0, 0.3, 0.2)),
        (  # a T, its stem between the ends of the bar
            Box((0.0, 1.0), (3.0, 2.0)) | Box((1.0, 0.0), (2.0, 1.0)),
            (1.5, 1.0),
        ),
        (  # two that overlap by half a face each
            Box((0.0, 0.0), (1.0, 2.0)) | Box((1.0, 1.0), (2.0, 3.0)),
            (1.0, 1.5),
        ),
        (  # four squares around a point, united in pairs
            (Box((0.0, 0.0), (1.0, 1.0)) | Box((1.0, 1.0), (2.0, 2.0)))
            | (Box((1.0, 0.0), (2.0, 1.0)) | Box((0.0, 1.0), (1.0, 2.0))),
            (1.0, 1.0),
        ),
    ],
)
def test_boxes_that_share_a_face_are_open_there(union, inside):
    x = jnp.asarray(inside)
    u = pde.dirichlet(lambda params, x: 1.0, union)
    assert u(None, x) > 0.1
    assert union.contains(x)


def test_a_square_in_four_is_the_square(key):
    square, half = Box((0.0, 0.0), (2.0, 2.0)), (0.0, 1.0)
    parts = [Box((a, b), (a + 1, b + 1)) for a in half for b in half]
    union = parts[0] | parts[1] | parts[2] | parts[3]
    points = jax.random.uniform(key, (200, 2), minval=-0.5, maxval=2.5)
    inside = jax.vmap(square.contains)(points)
    assert (jax.vmap(union.contains)(points) == inside).all() and 0 < inside.sum() < 200
    np.testing.assert_allclose(
        jax.vmap(union.level)(points)[inside], jax.vmap(square.level)(points)[inside], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("L", 6.0),
        ("rectangle of two that overlap", 6.0),
        ("boxes with a common face", 3.4),
        ("three in a row", 8.0),
        ("touching from outside", 4.0),
        ("with a notch", 7.0),
    ],
)
def test_the_boundary_is_whole_and_counted_once(name, length):
    """Faces that coincide belong to one part, faces between parts to none."""
    square = Box((0.0, 0.0), (1.0, 1.0))
    domain = {
        "three in a row": (square | Box((1.0, 0.0), (2.0, 1.0))) | Box((2.0, 0.0), (3.0, 1.0)),
        "touching from outside": square - Box((1.0, -1.0), (2.0, 3.0)),
        "with a notch": Box((0.0, 0.0), (2.0, 1.0)) - Box((0.5, 0.5), (1.0, 1.0)),
        **DOMAINS,
    }[name]
    measures = [piece.measure for piece in domain.boundary.values()]
    np.testing.assert_allclose(sum(measures), length, rtol=2e-3)


SQUARE = pde.Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])
BESIDE = pde.Polygon([(1, 0), (2, 0.3), (2, 1), (1, 1)])
DISK = pde.Ball((1.5, 1.5), 1.0)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (SQUARE | BESIDE, r"only touch at \(1, 0.618\).*overlap"),
        ((Box((0.0, 0.0), (1.0, 1.0)) | BESIDE).during(0.0, 1.0), "only touch"),
        ((Box((0.0, 0.0), (3.0, 3.0)) - DISK) | DISK, "only touch"),
        (pde.Interval(0.0, 1.0) | pde.Ball((1.5,), 0.5), r"only touch at \(1\)"),
        (Box((0.0, 0.0), (1.0, 1.0)) | pde.Polygon([(0.5, 0), (2, 0), (2, 1)]), "face in common"),
    ],
)
def test_faces_that_cannot_be_right_are_refused(domain, message):
    with pytest.raises(ValueError, match=message):
        pde.dirichlet(lambda params, x: 1.0, domain)


def test_the_check_of_faces_works_inside_jit_and_in_float32():
    plate = Box((0.0, 0.0), (2.0, 1.0)) - pde.Ball((1.0, 0.5), 0.2)
    x = jnp.array([0.5, 0.5])
    inside = jax.jit(lambda x: pde.dirichlet(lambda params, x: 1.0, plate)(None, x))(x)
    np.testing.assert_allclose(inside, plate.level(x), rtol=1e-12)
    with jax.enable_x64(False):
        u = pde.dirichlet(lambda params, x: jnp.float32(1), plate)
        for domain in (plate, SKEW, L_SHAPE):
            assert domain.level(jnp.array([0.5, 0.4], jnp.float32)).dtype == jnp.float32
        np.testing.assert_allclose(u(None, jnp.array([0.5, 0.5], jnp.float32)), inside, rtol=1e-5)


@pytest.mark.parametrize("turn", [1, -1])
def test_edges_are_named_after_the_corners_as_given(turn):
    corners = [(0.0, 0.0), (1.0, 0.1), (0.8, 1.1), (0.3, 0.5)][::turn]
    edges = pde.Polygon(corners).boundary
    assert list(edges) == ["edge0", "edge1", "edge2", "edge3"]
    for i, edge in enumerate(edges.values()):
        ends = [np.asarray(edge.from_unit(jnp.array([v]))) for v in (0.0, 1.0)]
        expected = [corners[i], corners[(i + 1) % 4]]
        np.testing.assert_allclose(sorted(map(tuple, ends)), sorted(expected), atol=1e-15)


def test_robin_and_interface_see_the_flux_through_a_polygons_edge(key):
    """u = φ has ∂u/∂n = -1 on every edge, as φ is the distance to first order."""
    u = pde.dirichlet(lambda params, x: 1.0, SKEW)
    for edge in SKEW.boundary.values():
        x = pde.uniform(edge, 30)(key)
        flux = jax.vmap(lambda x: pde.robin(edge, 0.0, 1.0, 0.0)(lambda y: u(None, y), x))  # noqa: B023
        np.testing.assert_allclose(flux(x), -1.0, rtol=1e-12)
        both = lambda y: jnp.stack([u(None, y), 3 * u(None, y)])  # noqa: E731
        jump = jax.vmap(lambda x: pde.interface(edge, 3.0, 1.0)(both, x))  # noqa: B023
        np.testing.assert_allclose(jump(x), 0.0, atol=1e-12)
