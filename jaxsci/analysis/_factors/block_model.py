"""Stochastic block models of weighted networks, by a mean field."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from .edge_weights import ALLOWED, Blocks, Weights, constant, log_density, parameters_per_pair
from .initial_blocks import clusters, embedding

_COLDEST, _ANNEALING = 0.3, 20  # the first inverse temperature, and the steps until it is 1
_PRIOR = 0.5  # pairs that each pair of blocks has seen before


class BlockModel(NamedTuple):
    """What `block_model` returns, for n nodes and k blocks, the largest first.

    - `probabilities`: of the blocks of each node, (n, k); not finite where the network was refused
        under `jit`.
    - `sizes`: the share of nodes in each block, (k,).
    - `edges`: the probability of an edge between two blocks, (k, k).
    - `mean`, `variance`: of the weights of edges between them, (k, k); for Poisson weights of all
        pairs.
    - `elbo`: the evidence lower bound of the best restart.
    - `icl`: the integrated classification likelihood of each number of blocks that was tried.
    - `converged`: whether the last step of that restart changed no probability by more than 1e-6.
    """

    probabilities: Float[Array, "n k"]
    sizes: Float[Array, " k"]
    edges: Float[Array, "k k"]
    mean: Float[Array, "k k"]
    variance: Float[Array, "k k"]
    elbo: Float[Array, ""]
    icl: Float[Array, " tried"]
    converged: Bool[Array, ""]

    @property
    def labels(self) -> Int[Array, " n"]:
        """The likeliest block of each node, (n,)."""
        return jnp.argmax(self.probabilities, axis=1)


class _Network(NamedTuple):
    """Edges and weights, the latter in units in which they have no offset."""

    edge: Any
    w: Any
    shift: Any
    scale: Any
    has_gaps: Any


def block_model(
    A: Shaped[Array | np.ndarray, "..."],
    k: int | Sequence[int],
    key: PRNGKeyArray,
    *,
    weights: Weights = "normal",
    restarts: int = 8,
    max_steps: int = 300,
) -> BlockModel:
    """Group the nodes of a network so that edges depend on the groups of both ends alone.

        p(A, z) = Πᵢ π[zᵢ] Π_{i<j} p(A[i, j] | θ[zᵢ, zⱼ]),   q(zᵢ = a) ∝ πₐ exp Σⱼ,b qⱼ(b) log p

    Groups may be dense inside (assortative), between each other (bipartite), or mixed.

    **Arguments:**

    - `A`: weights of undirected edges, (n, n), symmetric. The diagonal is not used.
    - `k`: the number of blocks, or several, of which the integrated classification likelihood
        chooses.
    - `key`: a PRNG key for the restarts.
    - `weights`: `"bernoulli"` for 0 and 1, `"poisson"` for counts, and `"normal"` or
        `"exponential"` for the weights of edges, where a 0 is a pair without an edge, which is
        modelled as well.
    - `restarts`: half from clusters of eigenvectors, half from random blocks, by `vmap`.
    - `max_steps`: of the mean field, 20 of which anneal it.

    **Returns:** `BlockModel`: `.labels`, `.probabilities`, `.mean`, `.icl`.

    **Raises:** `ValueError` for a matrix that is not square, symmetric, finite and of the family,
    one without edges, a k below 1 or above n, normal weights that are all equal, and restarts or
    steps below 1; `TypeError` for a complex A. Under `jit` a matrix that is not symmetric or finite
    makes all probabilities NaN.

    **Notes:** the mean field finds local optima. It is sure of itself: probabilities are close to 0
    or 1 also where blocks can hardly be told apart. Degrees are not corrected for: hubs become
    blocks.

    **Good values:** `k=range(1, 9)`: all are one compiled program, of the cost of the largest.

    **Source:** Daudin, Picard & Robin, Stat. Comput. 18, 173 (2008); Aicher, Jacobs & Clauset,
    J. Complex Netw. 3, 221 (2015).

    ```python
    blocks = jnp.arange(12) % 2
    A = (blocks[:, None] != blocks).astype(float)  # edges between the blocks alone
    out = jsci.analysis.block_model(A, 2, key, weights="bernoulli")
    out.labels[::2], out.labels[1::2]
    ```
    """
    a, tried = _checked(A, k, weights)
    if min(restarts, max_steps) < 1:
        raise ValueError(
            f"restarts and max_steps must be at least 1, got {restarts} and {max_steps}."
        )
    active = np.arange(max(tried)) < np.array(tried)[:, None]
    keys = jax.random.split(key, restarts)
    found, icl = _solve(a, jnp.asarray(active), keys, jnp.asarray(max_steps), weights)
    best = 0 if len(tried) == 1 else int(jnp.argmax(icl))
    found = jax.tree.map(lambda leaf: leaf[best], found)
    size = tried[best]  # the blocks beyond are empty
    edges, mean, variance = (block[:size, :size] for block in found.blocks)
    return BlockModel(
        found.q[:, :size],
        found.sizes[:size],
        edges,
        mean,
        variance,
        found.elbo,
        icl,
        found.converged,
    )


class _Found(NamedTuple):
    q: Any
    sizes: Any
    blocks: Blocks
    elbo: Any
    icl: Any
    converged: Any


@eqx.filter_jit
def _solve(a, active, keys, max_steps, weights) -> tuple[_Found, Array]:
    """For each number of blocks the best restart."""
    network = _network(a, weights)
    centred = network.w - jnp.sum(network.w) / (len(a) * max(len(a) - 1, 1))
    points = embedding(centred * (1 - jnp.eye(len(a), dtype=a.dtype)), active.shape[1])

    def one(active, key, from_random):
        spectral = clusters(points, active, key)
        random = jax.random.randint(key, spectral.shape, 0, jnp.sum(active))
        labels = jnp.where(from_random, random, spectral)
        likely = jax.nn.one_hot(labels, len(active), dtype=a.dtype)
        q = 0.9 * likely + 0.1 * active[None] / jnp.sum(active)
        return _mean_field(network, active, q, max_steps, weights)

    def best(active):
        found = jax.vmap(lambda *run: one(active, *run))(keys, jnp.arange(len(keys)) % 2 == 1)
        return jax.tree.map(lambda leaf: leaf[jnp.argmax(found.elbo)], found)

    found = jax.vmap(best)(active)
    return found, found.icl


def _network(a, weights) -> _Network:
    """The edges of a symmetric matrix; NaN throughout if it is not that."""
    off = 1 - jnp.eye(len(a), dtype=a.dtype)
    a = jnp.where(off > 0, a, 0)
    valid = jnp.all(jnp.abs(a - a.T) <= _asymmetry(a)) & jnp.all(jnp.isfinite(a))
    a = jnp.where(valid, a, jnp.nan)
    edge = (a != 0).astype(a.dtype)
    shift, scale = jnp.zeros((), a.dtype), jnp.ones((), a.dtype)
    if weights == "normal":
        count = jnp.sum(edge)
        shift = jnp.sum(a) / count
        scale = jnp.sqrt(jnp.sum(edge * (a - shift) ** 2) / count)
    return _Network(edge, edge * (a - shift) / scale, shift, scale, jnp.any(edge < off) * scale**0)


def _asymmetry(a):
    return 1e-6 * jnp.max(jnp.abs(a))


def _mean_field(network, active, q, max_steps, weights) -> _Found:
    """Annealed, damped updates of all nodes at once."""

    def body(state):
        q, _, step = state
        sizes = _sizes(q, active)
        cold = jnp.minimum(1.0, _COLDEST + (1 - _COLDEST) * step / _ANNEALING)
        field = _field(network, q, _blocks(network, q, weights), weights)
        logits = jnp.where(active[None], cold * (jnp.log(sizes)[None] + field), -jnp.inf)
        new = 0.5 * (q + jax.nn.softmax(logits, axis=1))
        return new, jnp.max(jnp.abs(new - q)), step + 1

    def is_going(state):
        _, change, step = state
        return (step < max_steps) & ((step <= _ANNEALING) | (change > 1e-6))

    first = q, jnp.full((), jnp.inf, q.dtype), jnp.asarray(0)
    q, change, _ = jax.lax.while_loop(is_going, body, first)
    return _described(network, active, q, change <= 1e-6, weights)


def _described(network, active, q, converged, weights) -> _Found:
    """Parameters and bounds of a solution, its largest block first."""
    q = q[:, jnp.argsort(-jnp.sum(q, axis=0))]
    active = jnp.arange(len(active)) < jnp.sum(active)
    n, k, sizes = len(q), jnp.sum(active), _sizes(q, active)
    blocks = _blocks(network, q, weights)
    pairs = n * (n - 1) / 2
    # Weights are in units of `scale`, each edge is in both triangles.
    likelihood = 0.5 * jnp.sum(q * _field(network, q, blocks, weights))
    likelihood += jnp.sum(q * jnp.log(sizes)[None]) + constant(weights, network.w)
    likelihood -= 0.5 * jnp.sum(network.edge) * jnp.log(network.scale)
    numbers = k * (k + 1) / 2 * parameters_per_pair(weights, network.has_gaps)
    icl = likelihood - 0.5 * ((k - 1) * np.log(n) + numbers * np.log(max(pairs, 1)))
    blocks = blocks._replace(
        mean=network.shift + network.scale * blocks.mean,
        variance=network.scale**2 * blocks.variance,
    )
    elbo = likelihood - jnp.sum(jax.scipy.special.xlogy(q, q))
    return _Found(q, sizes * active, blocks, elbo, icl, converged)


def _sizes(q, active):
    """With one node more in each block, so that none is lost for good; 1 where there is none."""
    sizes = (jnp.sum(q, axis=0) + 1) / (len(q) + jnp.sum(active))
    return jnp.where(active, sizes, 1)


def _blocks(network, q, weights) -> Blocks:
    """Parameters of each pair of blocks, from expected counts and moments."""
    edge, w = network.edge, network.w
    total = jnp.sum(q, axis=0)
    pairs = total[:, None] * total[None] - q.T @ q
    count, first, second = (q.T @ (m @ q) for m in (edge, w, w * w))
    edges = (count + _PRIOR) / (pairs + 2 * _PRIOR)
    if weights == "poisson":
        count = pairs
    overall = jnp.sum(first) / jnp.sum(count)
    spread = jnp.sum(second) / jnp.sum(count) - overall**2
    mean = (first + _PRIOR * overall) / (count + _PRIOR)
    squares = second - 2 * mean * first + mean**2 * count
    return Blocks(edges, mean, (squares + _PRIOR * spread) / (count + _PRIOR))


def _field(network, q, blocks, weights):
    """Σⱼ Σ_b qⱼ(b) log p(pair ij | a, b) of each node i and block a."""
    terms = log_density(weights, blocks, network.has_gaps)
    edge, w = network.edge @ q, network.w @ q
    gaps = jnp.sum(q, axis=0)[None] - q - edge
    square = (network.w * network.w) @ q
    return gaps @ terms.absent + edge @ terms.present + w @ terms.linear + square @ terms.square


def _checked(A, k, weights):
    """The matrix in floating point, and the numbers of blocks to try."""
    if weights not in ALLOWED:
        raise ValueError(f"weights must be one of {tuple(ALLOWED)}, got {weights!r}.")
    a = jnp.asarray(A)
    if jnp.iscomplexobj(a):
        raise TypeError(f"A must be real, got {a.dtype}.")
    a = a.astype(jnp.result_type(a, 0.0))
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not len(a):
        raise ValueError(f"A must be a square matrix, got {a.shape}.")
    numbers = np.atleast_1d(np.asarray(k))
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"k must be an integer or several, got {k!r}.")
    tried = [int(n) for n in numbers]
    if not tried or min(tried) < 1 or max(tried) > len(a):
        raise ValueError(f"k must be between 1 and the {len(a)} nodes, got {k}.")
    if not isinstance(a, Tracer):
        _check_weights(np.asarray(a, float), weights, float(jnp.finfo(a.dtype).eps))
    return a, tried


def _check_weights(a, weights, eps):
    """Those off the diagonal: finite, symmetric, of the family, and such that blocks can differ."""
    a = np.where(np.eye(len(a), dtype=bool), 0, a)
    if not np.isfinite(a).all():
        raise ValueError(f"A has {np.sum(~np.isfinite(a))} entries that are not finite.")
    if (gap := np.abs(a - a.T).max()) > _asymmetry(a):
        raise ValueError(
            f"A must be symmetric, but A - Aᵀ is up to {gap:.3g}. Use A + A.T where the direction "
            "of an edge does not matter."
        )
    what, is_of_family = ALLOWED[weights]
    if not is_of_family(a):
        raise ValueError(f"{weights} weights must be {what}, got {a.min()} to {a.max()}.")
    edges = a[a != 0]
    rounding = 4 * eps * np.abs(edges).max(initial=0)
    if not edges.size:
        raise ValueError("A has no edges off its diagonal.")
    if weights == "normal" and np.ptp(edges) <= rounding:
        raise ValueError(
            f'All edges have the weight {edges[0]}: use weights="bernoulli" with A != 0.'
        )
