"""Exponential families: distributions that are filtered by their sufficient statistics."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln, xlog1py, xlogy
from jaxtyping import Array, Float


@dataclass(frozen=True)
class Family:
    """A family of distributions, for `Node`: what is filtered of its observations.

        p(y | η) = h(y) exp(η · t(y) - b(η)),   ξ ← ξ + (t(y) - ξ) / (ν + 1)

    - `name`: for messages.
    - `statistics`: `statistics(y)`, the sufficient statistics t, (k,); NaN for a y that no
        distribution of the family gives.
    - `log_density`: `log_density(y, ξ, ν)`, of y where ν observations had the mean statistics ξ:
        the average of p(y | η) over the conjugate density exp(ν (η · ξ - b(η))).
    - `variance`: `variance(ξ)`, of the first statistic where the expected ones are ξ.
    - `first`: k numbers, the ξ before any observation.
    - `size`: of y, which is () for 1 and (size,) for more.
    - `example`: a value that every entry of y may have; it stands where nothing was seen.

    **Notes:** `hgf` refuses functions that return other shapes, or NaN of the example. Two
    families are equal, and share compiled programs, if their functions are the same objects:
    define those once.

    **Source:** Mathys & Weber, "Hierarchical Gaussian filtering of sufficient statistic time
    series", Active Inference (2020).

    ```python
    def log_density(y, xi, nu):  # of a gamma distribution with the shape 2
        a, b = 2 * nu + 1, nu * xi[0]
        return jnp.log(a * (a + 1) * y) + a * jnp.log(b) - (a + 2) * jnp.log(b + y)

    def statistics(y):
        return jnp.where(y > 0, y, jnp.nan)[None]

    waits = jsci.bayes.Family("waits", statistics, log_density, lambda xi: xi[0] ** 2 / 2, (1.0,))
    net = jsci.bayes.hgf((jsci.bayes.Node(waits),))
    ```
    """

    name: str
    statistics: Callable[[Array], Array]
    log_density: Callable[[Array, Array, Array], Array]
    variance: Callable[[Array], Array]
    first: tuple[float, ...]
    size: int = 1
    example: float = 1.0


def multivariate_normal(size: int) -> Family:
    """Normal distributions of several values, for `Node`: by y and the products of its entries.

        p(y | ξ, ν) = t(y; ν + 1, ȳ, S),   S = mean of y yᵀ, less ȳ ȳᵀ

    **Arguments:**

    - `size`: of y, d.

    **Returns:** `Family` with d + d (d + 1) / 2 statistics: y, then the rows of the lower triangle
    of y yᵀ. At first ȳ = 0 and S = 1.

    **Raises:** `ValueError` for a size that is not a number of values.

    **Notes:** an observation with some entries missing counts as missing. The density is NaN where
    S is not positive definite.

    **Source:** Mathys & Weber, Active Inference (2020); Student's distribution of ν + 1 degrees of
    freedom is what the conjugate density gives that is uniform in mean and precision.

    ```python
    pair = jsci.bayes.multivariate_normal(2)
    net = jsci.bayes.hgf((jsci.bayes.Node(pair),))
    ```
    """
    if size < 1 or size % 1:
        raise ValueError(f"size must be a number of values, at least 1, got {size}.")
    size = int(size)
    squares = [float(i == j) for i in range(size) for j in range(i + 1)]
    return Family(
        f"normal of {size} values",
        _products,
        _log_student,
        _first_variance,
        (*[0.0] * size, *squares),
        size,
    )


def _products(y: Float[Array, "*d"]) -> Float[Array, " k"]:
    y = jnp.atleast_1d(y)
    return jnp.concatenate([y, jnp.outer(y, y)[jnp.tril_indices(len(y))]])


def _log_student(
    y: Float[Array, "*d"], xi: Float[Array, " k"], nu: Float[Array, ""]
) -> Float[Array, ""]:
    y = jnp.atleast_1d(y)
    d = len(y)
    mean, rows = xi[:d], jnp.tril_indices(d)
    lower = jnp.zeros((d, d), xi.dtype).at[rows].set(xi[d:])
    square = lower + jnp.tril(lower, -1).T
    root = jnp.linalg.cholesky(square - jnp.outer(mean, mean))
    distance = jnp.sum(solve_triangular(root, y - mean, lower=True) ** 2)
    volume = gammaln((nu + 1 + d) / 2) - gammaln((nu + 1) / 2) - d / 2 * jnp.log(jnp.pi * (nu + 1))
    spread = jnp.sum(jnp.log(jnp.diagonal(root)))
    return volume - spread - (nu + 1 + d) / 2 * jnp.log1p(distance / (nu + 1))


def _first_variance(xi: Float[Array, " k"]) -> Float[Array, ""]:
    d = round(((8 * len(xi) + 9) ** 0.5 - 3) / 2)  # from k = d (d + 3) / 2
    return xi[d] - xi[0] ** 2


def _value_and_square(y: Float[Array, ""]) -> Float[Array, " k"]:
    return jnp.stack([y, y**2])


def _log_normal(
    y: Float[Array, ""], xi: Float[Array, " k"], nu: Float[Array, ""]
) -> Float[Array, ""]:
    """The same for one value, without a matrix.

        Γ(ν/2 + 1) / Γ(ν/2 + ½) (π (ν + 1) S)^(-½) (1 + (y - ȳ)² / ((ν + 1) S))^(-ν/2 - 1)

    with S the mean square less ȳ². NaN where S is not positive: no distribution has such moments.
    """
    variance = xi[1] - xi[0] ** 2
    scale = (nu + 1) * jnp.where(variance > 0, variance, jnp.nan)
    volume = gammaln(nu / 2 + 1) - gammaln((nu + 1) / 2) - 0.5 * jnp.log(jnp.pi * scale)
    return volume - (nu / 2 + 1) * jnp.log1p((y - xi[0]) ** 2 / scale)


def _itself(allowed: Callable[[Array], Array], y: Float[Array, ""]) -> Float[Array, " k"]:
    return jnp.where(allowed(y), y, jnp.nan)[None]


def _log_bernoulli(
    y: Float[Array, ""], xi: Float[Array, " k"], nu: Float[Array, ""]
) -> Float[Array, ""]:
    """Of a beta density: its mean, whatever ν."""
    del nu
    chance = jnp.where((xi[0] >= 0) & (xi[0] <= 1), xi[0], jnp.nan)
    return xlogy(y, chance) + xlog1py(1 - y, -chance)


def _log_poisson(
    y: Float[Array, ""], xi: Float[Array, " k"], nu: Float[Array, ""]
) -> Float[Array, ""]:
    """Of a gamma density of rates: a negative binomial distribution of νξ failures."""
    r = nu * jnp.where(xi[0] > 0, xi[0], jnp.nan)
    ways = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
    return ways - r * jnp.log1p(1 / nu) - y * jnp.log1p(nu)


def _log_exponential(
    y: Float[Array, ""], xi: Float[Array, " k"], nu: Float[Array, ""]
) -> Float[Array, ""]:
    """Of a gamma density of rates: Lomax' distribution of the shape ν + 1."""
    total = nu * jnp.where(xi[0] > 0, xi[0], jnp.nan)
    return jnp.log((nu + 1) / total) - (nu + 2) * jnp.log1p(y / total)


FAMILIES = {
    "normal": Family(
        "normal", _value_and_square, _log_normal, lambda xi: xi[1] - xi[0] ** 2, (0.0, 1.0)
    ),
    "bernoulli": Family(
        "bernoulli",
        partial(_itself, lambda y: (y == 0) | (y == 1)),
        _log_bernoulli,
        lambda xi: xi[0] * (1 - xi[0]),
        (0.5,),
    ),
    "poisson": Family(
        "poisson",
        partial(_itself, lambda y: (y >= 0) & (y == jnp.floor(y))),
        _log_poisson,
        lambda xi: xi[0],
        (1.0,),
    ),
    "exponential": Family(
        "exponential",
        partial(_itself, lambda y: y >= 0),
        _log_exponential,
        lambda xi: xi[0] ** 2,
        (1.0,),
    ),
}


def check_family(family: Family) -> None:
    """Raise for functions that return other shapes than the family says."""
    k = len(family.first)
    if not k or family.size < 1:
        raise ValueError(
            f"{family.name} needs at least one statistic and one value in each observation, got "
            f"first={family.first} and size={family.size}."
        )
    example = jnp.full(() if family.size == 1 else (family.size,), family.example)
    y, xi, nu = (
        jax.ShapeDtypeStruct(shape, jnp.result_type(0.0)) for shape in (example.shape, (k,), ())
    )
    for what, found, shape in (
        ("statistics", jax.eval_shape(family.statistics, y), (k,)),
        ("log_density", jax.eval_shape(family.log_density, y, xi, nu), ()),
        ("variance", jax.eval_shape(family.variance, xi), ()),
    ):
        if jnp.shape(found) != shape:
            raise ValueError(
                f"{what} of {family.name} must return the shape {shape}, for an observation of the "
                f"shape {y.shape} and {k} numbers in `first`; got {jnp.shape(found)}."
            )
    if jnp.isnan(family.statistics(example)).any():
        raise ValueError(
            f"statistics of {family.name} are NaN for its example, {family.example}; choose one "
            "that may be observed."
        )


def family_of(kind: object) -> Family | None:
    """That of a kind of node, if it has one."""
    return kind if isinstance(kind, Family) else FAMILIES.get(str(kind))
