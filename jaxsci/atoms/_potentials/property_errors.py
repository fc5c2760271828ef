"""What a potential gets wrong of one labelled structure, for an objective."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._structure.batch import Batch
from .._structure.frame import LABELS


class PropertyErrors(eqx.Module):
    """Made by `property_errors`, which describes it."""

    f: Callable[..., Any]
    weights: tuple[tuple[str, float], ...] = eqx.field(static=True)
    robust: tuple[tuple[str, float], ...] = eqx.field(static=True)

    def __call__(self, params: PyTree, sample: Batch) -> Float[Array, " residuals"]:
        """The weighted errors of one structure as a vector."""
        found = self.f(params, sample.atoms, sample.graph)
        mask = sample.atoms.mask
        atoms = jnp.maximum(jnp.sum(mask), 1).astype(found.energy.dtype)
        scales = {"energy": 1 / atoms, "forces": 1.0, "stress": 1.0, "magmoms": 1.0}
        counts = {"energy": 1.0, "forces": 3 * atoms, "stress": 9.0, "magmoms": atoms}
        robust, parts = dict(self.robust), []
        for name, weight in self.weights:
            value, label = getattr(found, name), getattr(sample.labels, name)
            if name == "stress" and sample.atoms.cell is None:  # a molecule has none to be wrong
                continue
            if value is None:
                raise ValueError(f"{name}={weight} weighs {name}, which the potential has not.")
            known = getattr(sample.known, name)
            if name in ("forces", "magmoms"):
                known = known & mask[:, None] if name == "forces" else known & mask
            error = jnp.where(known, (value - label) * scales[name], 0.0)
            if name in robust:
                error = _damped(error, robust[name])
            parts.append(jnp.ravel(error * jnp.sqrt(weight / counts[name])))
        return jnp.concatenate([jnp.zeros(0, found.energy.dtype), *parts])


def property_errors(
    f: Callable[..., Any],
    *,
    energy: float = 1.0,
    forces: float = 1.0,
    stress: float = 0.0,
    magmoms: float = 0.0,
    robust: Mapping[str, float] | None = None,
) -> PropertyErrors:
    """The errors of energy, forces, stress and moments of one structure, as a residual.

        ‖r‖² = w_E (ΔE/N)² + w_F |ΔF|²/3N + w_σ |Δσ|²/9 + w_m |Δm|²/N

    A label that is not known adds nothing, nor does padding, nor the stress of a molecule;
    `Batch.known` says how many there are.

    **Arguments:**

    - `f`: what `properties` returns.
    - `energy`, `forces`, `stress`, `magmoms`: the weights w, of squares of eV per atom, eV/Å, eV/Å³
        and μ_B. A property of weight zero is left out.
    - `robust`: δ by property, in its unit: errors Δ beyond δ count as 2 δ |Δ| rather than Δ²,
        smoothly, so that wrong labels do not rule the fit.

    **Returns:** `r(params, sample)` for `jsci.objective`, where a sample is one structure of a
    `Batch`.

    **Raises:** `ValueError` for weights that are negative or all zero, an unknown property in
    `robust`, or, when called, a property that the potential does not have.

    **Good values:** `forces=1`, `energy=10` to 100, `stress=100` to 1000: the squares are then
    of similar size.

    **Source:** the robust square is that of Charbonnier et al., "Two deterministic half-quadratic
    regularization algorithms for computed imaging" (1994).

    ```python
    r = jsci.atoms.property_errors(f, energy=10.0, forces=1.0)
    loss = jsci.objective({"efs": r})
    (batch,) = jsci.atoms.batch([jsci.atoms.Frame(salt, energy=-7.0)], 6.0)
    loss.value(params, {"efs": batch})
    ```
    """
    given = dict(zip(LABELS, (energy, forces, stress, magmoms), strict=True))
    if min(given.values()) < 0 or not sum(given.values()) > 0:
        raise ValueError(f"weights must not be negative, nor all zero: {given}.")
    for name, delta in dict(robust or {}).items():
        if name not in LABELS or not delta > 0:
            raise ValueError(
                f"robust takes positive widths by property, {', '.join(LABELS)}: got {robust}."
            )
    weights = tuple((name, float(w)) for name, w in given.items() if w)
    return PropertyErrors(f, weights, tuple(sorted(dict(robust or {}).items())))


def _damped(error: Array, delta: float) -> Array:
    """Whose square is 2 δ² (√(1 + (Δ/δ)²) - 1): Δ² near zero, 2 δ |Δ| far from it."""
    return error * jnp.sqrt(2 / (1 + jnp.sqrt(1 + (error / delta) ** 2)))
