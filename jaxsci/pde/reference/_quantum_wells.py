"""Exact energies of quantum wells with piecewise constant potentials."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import bisect


def well_energies(
    edges: Sequence[float], potential: Sequence[float], *, states: int = 1
) -> Float[Array, " states"]:
    """The lowest energies of -ψ″ + V ψ = E ψ with ψ = 0 at both ends and V piecewise constant.

    ψ is propagated exactly through each piece; energies are the zeros of its value at the far
    end, isolated by the number of nodes and bisected to rounding.

    **Arguments:**

    - `edges`: the ends of the pieces, ascending, one more than there are pieces.
    - `potential`: V in each piece, in units of ħ²/2m per length².
    - `states`: the number of energies.

    **Returns:** the energies `(states,)`, ascending, in the unit of V.

    **Raises:** `ValueError` if the lengths of edges and potential do not match.

    **Source:** Sturm's oscillation theorem: the number of eigenvalues below E is the number of
    zeros of the solution that starts at one end.

    ```python
    jsci.pde.reference.well_energies((-1.0, -0.5, 0.5, 1.0), (20.0, 0.0, 20.0))  # 4.685457431966
    ```
    """
    ends, v = np.asarray(edges, float), np.asarray(potential, float)
    if len(ends) != len(v) + 1 or not np.all(np.diff(ends) > 0) or states < 1:
        raise ValueError(
            "well_energies needs ascending edges, one more than values of the potential, and "
            f"states >= 1, got {len(ends)} edges, {len(v)} values and {states} states."
        )
    widths = np.diff(ends)
    # A box of the same length under the highest potential bounds every energy.
    ceiling = v.max() + (states * np.pi / widths.sum()) ** 2 + 1

    def lies_below(state):
        """Below the energy of state n the solution has at most n zeros."""
        return lambda energy: _nodes(energy, widths, v) <= state

    energies = [bisect(lies_below(state), v.min(), ceiling) for state in range(states)]
    return jnp.asarray(energies)


def _nodes(energy: float, widths: np.ndarray, potential: np.ndarray) -> int:
    """Zeros in (start, end] of the solution with ψ(start) = 0, ψ′(start) = 1."""
    psi, slope, nodes = 0.0, 1.0, 0
    for width, v in zip(widths, potential, strict=True):
        k2 = energy - v
        k = np.sqrt(abs(k2))
        if k2 > 0:
            # ψ = A sin(k x + φ): zeros where the phase passes a multiple of π.
            phase = np.arctan2(k * psi, slope)
            nodes += int(np.floor((phase + k * width) / np.pi) - np.floor(phase / np.pi))
            c, s = np.cos(k * width), np.sin(k * width) / k
        else:
            # cosh and sinh/k, both over cosh, which overflows under a high barrier.
            c, s = 1.0, np.tanh(k * width) / k if k > 0 else width
        new = c * psi + s * slope
        if k2 <= 0 and psi * new < 0:
            nodes += 1
        psi, slope = new, c * slope - k2 * s * psi
        scale = np.hypot(psi, slope)
        psi, slope = psi / scale, slope / scale
    return nodes
