"""Maps between surfaces: a planted one, and the nearest neighbours beside a tree of SciPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial import KDTree

import jaxsci as jsci
from benchmarks.runner.case import Baseline, Case, Peer, Run

from ._problems import bent_pair, farthest, landmark_kernels

_LEVEL = {"smoke": 2, "quick": 4, "full": 4}


@functools.cache
def _pair(size, k):
    """Both bases, kernels of six landmarks on each, and the true map."""
    one, two, order = bent_pair(_LEVEL[size])
    bases = [jsci.analysis.mesh_laplacian(*mesh).basis(k) for mesh in (one, two)]
    marks = farthest(one[0], 6)
    both = marks, np.argsort(order)[marks]
    kernels = [landmark_kernels(basis, at) for basis, at in zip(bases, both, strict=True)]
    return one[0], bases, kernels, order


def _surface(size):
    first, last = (10, 30) if size == "smoke" else (30, 100)
    vertices, bases, kernels, order = _pair(size, last)
    root = float(np.sum(bases[0].mass)) ** 0.5

    def step(bases, kernels):
        small = [
            b._replace(values=b.values[:first], functions=b.functions[:, :first]) for b in bases
        ]
        C = jsci.analysis.functional_map(*small, *kernels)
        return jsci.analysis.pointwise(jsci.analysis.zoomout(C, *bases, step=14), *bases)

    def error(points):
        away = np.linalg.norm(vertices[np.asarray(points)] - vertices[order], axis=1)
        return float(np.mean(away)) / root

    return Run(
        step,
        (bases, list(map(jnp.asarray, kernels))),
        error=error,
        note=f"{len(vertices)} vertices, six landmarks, {first} to {last} eigenfunctions",
    )


def _nearest(size):
    """Of the true map: in float32, as it is used, beside the exact neighbours."""
    _, bases, _, order = _pair(size, 30 if size == "smoke" else 60)
    one, two = bases
    C = two.functions.T @ (two.mass[:, None] * one.functions[order])
    mapped, places = np.asarray(one.functions @ C.T), np.asarray(two.functions)
    exact = KDTree(mapped).query(places)[1]
    low = jax.tree.map(lambda a: a.astype(jnp.float32), (C, *bases))
    tree = Baseline(
        "SciPy's tree", lambda: KDTree(mapped).query(places)[1], (), host=True,
        error=lambda found: float(np.mean(found != exact)),
    )  # fmt: skip
    return Run(
        jsci.analysis.pointwise,
        low,
        error=lambda points: float(np.mean(np.asarray(points) != exact)),
        baseline=tree,
        note=f"{len(places)} vertices, {len(one.values)} eigenfunctions, float32",
    )


def _pyfm(size):
    """Its tree, with the same map and bases in double precision."""
    from pyFM.spectral import FM_to_p2p  # pyright: ignore[reportMissingImports] (an optional peer)

    _, bases, _, order = _pair(size, 30 if size == "smoke" else 60)
    one, two = bases
    C = np.asarray(two.functions.T @ (two.mass[:, None] * one.functions[order]))
    first, second = (np.asarray(basis.functions) for basis in bases)
    exact = KDTree(first @ C.T).query(second)[1]
    return Run(
        lambda: FM_to_p2p(C, first, second),
        (),
        error=lambda points: float(np.mean(points != exact)),
        host=True,
    )


CASES = [
    Case("analysis.functional_map", "analysis", "Map of a bent surface to itself", _surface,
         "smoke", reference="planted map", tolerance=0.05, error_name="distance / root of area"),
    Case("analysis.pointwise", "analysis", "Nearest vertices by one product", _nearest, "smoke",
         reference="SciPy's tree in float64", tolerance=0.01, error_name="share that differs",
         peers=(Peer("pyFM", "pyfmaps", _pyfm, module="pyFM"),)),
]  # fmt: skip
