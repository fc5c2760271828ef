"""A solution, its residual and its error in one figure."""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...core import vmap
from .._geometry.domains import Domain

_FLOOR = 1e-150  # of what is drawn as a logarithm


def plot_solution(
    u: Callable,
    domain: Domain,
    *,
    op: Callable | None = None,
    exact: Callable | None = None,
    component: int = 0,
    points: int = 101,
) -> Any:
    """A figure of a solution, its residual and its error, over a grid of fresh points.

    In one dimension these are curves, the last two over a logarithmic axis; in two, time counted as
    one, coloured fields, the last two as log₁₀ of the absolute value. The titles have the root mean
    square of the residual and the relative L2 error over the grid.

    **Arguments:**

    - `u`: the solution, a function of one point `(d,)`, such as
        `lambda x: result.field(result.params, x)`.
    - `domain`: where, of one or two coordinates; the grid covers its bounds, and what is outside
        the domain is left out.
    - `op`: an equation `op(u, x)`, whose residual is drawn; of several entries the norm.
    - `exact`: the solution to compare with, as `u`.
    - `component`: which one to draw, of a field of several.
    - `points`: of the grid per coordinate.

    **Returns:** a `matplotlib` figure: `.savefig("u.png")` writes it, and a notebook shows it.

    **Raises:** `ValueError` for a domain of three or more coordinates, fewer than two points, a
    grid without a point in the domain, a component that is not there, or a complex field;
    `TypeError` for what is not a domain; `ImportError` without matplotlib, which the extra `plot`
    installs.

    ```python
    wave = lambda x: jnp.sin(3 * x[0]) * jnp.exp(x[1])
    figure = jsci.pde.plot_solution(wave, square, op=jsci.pde.poisson(0.0), points=21)
    ```
    """
    if not isinstance(domain, Domain):
        raise TypeError(f"plot_solution() needs a domain, got a {type(domain).__name__}.")
    if domain.dim > 2 or points < 2:
        raise ValueError(
            f"plot_solution() draws one or two coordinates on at least two points each, got "
            f"{domain.dim} and {points}: fix others, u=lambda y: u(jnp.append(y, 0.5))."
        )
    grid, axes = _grid(domain, points)
    inside = np.asarray(vmap(domain.contains)(grid))
    if not inside.any():
        raise ValueError(f"None of {points} points per coordinate lies in the domain: take more.")
    shown = _panels(u, op, exact, component, grid, inside)
    size = {"figsize": (4.2 * len(shown), 3.4), "layout": "constrained"}
    figure = _figure_module().Figure(**size)
    names = ("x", "t" if hasattr(domain, "space") else "y")
    for i, (title, values, logarithmic) in enumerate(shown):
        ax = figure.add_subplot(1, len(shown), i + 1, title=title, xlabel=names[0])
        values = np.where(inside, values, np.nan).reshape([points] * domain.dim)
        if domain.dim == 1:
            ax.plot(axes[0], values)
            ax.set_yscale("log" if logarithmic else "linear")
            continue
        values, colours = _coloured(values.T, logarithmic)
        image = ax.pcolormesh(*axes, values, **colours)
        ax.set_ylabel(names[1])
        figure.colorbar(image, ax=ax)
    return figure


def _coloured(values: np.ndarray, logarithmic: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """What is drawn, and how: of logarithms zeros and the lowest twentieth of others are one."""
    if not logarithmic:
        return values, {"cmap": "viridis"}
    values = np.log10(values)
    others = values[values > np.log10(2 * _FLOOR)]
    return values, {"cmap": "magma", "vmin": np.percentile(others, 5) if others.size else None}


def _grid(domain: Domain, points: int) -> tuple[Float[Array, "n dim"], list[np.ndarray]]:
    bounds = zip(*map(np.asarray, domain.bounds), strict=True)
    axes = [np.linspace(low, high, points) for low, high in bounds]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, domain.dim)
    return jnp.asarray(grid), axes


def _panels(u, op, exact, component, grid, inside) -> list[tuple[str, np.ndarray, bool]]:
    """Title, values on the grid, and whether they are drawn as logarithms."""

    def part(f):
        values = np.asarray(jax.jit(vmap(f))(grid))
        if np.iscomplexobj(values) or values.ndim > 2:
            raise ValueError(
                "plot_solution() draws real numbers or vectors, such as u=lambda x: w(x).real; got "
                f"{values.dtype} of shape {values.shape[1:]} at a point."
            )
        if values.ndim == 1:
            return values
        if not -values.shape[1] <= component < values.shape[1]:
            raise ValueError(f"There is no component {component}: u has {values.shape[1]}.")
        return values[:, component]

    values = part(u)
    shown = [("solution", values, False)]
    if op is not None:
        residual = np.asarray(jax.jit(vmap(lambda x: op(u, x)))(grid))
        size = np.linalg.norm(residual.reshape(len(grid), -1), axis=1)
        rms = np.sqrt(np.mean(size[inside] ** 2))
        shown.append((f"residual, {rms:.1e} rms", np.maximum(size.astype(float), _FLOOR), True))
    if exact is not None:
        target = part(exact)
        gap = np.abs(values - target)
        size, whole = np.linalg.norm(gap[inside]), np.linalg.norm(target[inside])
        share = f"{size / whole:.1e} relative" if whole else "of a solution that is zero"
        shown.append((f"error, {share}", np.maximum(gap.astype(float), _FLOOR), True))
    return shown


def _figure_module() -> Any:
    try:
        return importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError("plot_solution() needs matplotlib: pip install 'jaxsci[plot]'") from error
