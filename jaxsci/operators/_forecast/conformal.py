"""Intervals that hold with a stated frequency, from errors on samples that were not trained on."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._fields.fields import check_floating, check_real_and_filled

AnyArray = Array | np.ndarray


def conformal_width(
    predictions: Float[AnyArray, "n *grid channels"],
    targets: Float[AnyArray, "..."],
    level: float = 0.9,
) -> Float[Array, "*grid channels"]:
    """Half the width of intervals around predictions, at each point, by split conformal prediction.

        w(x) = the ⌈(n + 1) level⌉-th smallest of |pᵢ(x) - uᵢ(x)|, i = 1 ... n

    Of a new sample from the same distribution, u(x) lies within p(x) ± w(x) with at least this
    probability, whatever the model and the distribution.

    **Arguments:**

    - `predictions`, `targets`: of n calibration samples, `(n, *grid, channels)`, that the model was
        neither trained nor selected on.
    - `level`: the probability, between 0 and 1.

    **Returns:** w, `(*grid, channels)`, in the unit of the fields. On average over calibration sets
    the coverage lies between `level` and level + 1/(n + 1); of one set of n samples it varies by
    about √(level (1 - level)/n).

    **Raises:** `ValueError` for arrays of different shapes, a level out of range, or too few
    samples: n >= level/(1 - level); `TypeError` for complex fields and integers. Errors that are
    not finite count as larger than all others.

    **Notes:** at each point, not for the whole field at once: of a field, about one point in ten is
    outside at level 0.9. The width does not depend on the sample.

    **Good values:** n of at least 100 for `level` = 0.9.

    **Source:** Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; for
    operators Ma et al., "Calibrated Uncertainty Quantification for Operator Learning", TMLR 2024.

    ```python
    errors = jnp.linspace(-1, 1, 99)[:, None, None] * jnp.ones((99, 64, 1))
    width = jsci.operators.conformal_width(a + errors, a + 0 * errors)  # (64, 1)
    ```
    """
    p, u = jnp.asarray(predictions), jnp.asarray(targets)
    if p.shape != u.shape or p.ndim < 2:
        raise ValueError(
            "conformal_width() takes predictions and targets (n, *grid, channels) of one shape; "
            f"got {p.shape} and {u.shape}."
        )
    for field in (p, u):
        check_real_and_filled(field, "conformal_width()")
        check_floating(field, "conformal_width()")
    if not 0 < level < 1:
        raise ValueError(f"conformal_width() needs a level between 0 and 1; got {level}.")
    rank = math.ceil(round((len(u) + 1) * level, 9))
    if rank > len(u):
        raise ValueError(
            f"conformal_width(level={level}) needs at least "
            f"{math.ceil(round(level / (1 - level), 9))} calibration samples; got {len(u)}."
        )
    error = jnp.abs(p - u)
    return jnp.sort(jnp.where(jnp.isnan(error), jnp.inf, error), 0)[rank - 1]
