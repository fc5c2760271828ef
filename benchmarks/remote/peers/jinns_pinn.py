"""jinns 1.10, in an interpreter of its own: PINNs by its natural gradient and by its SSBroyden.

The network, 3 x 16 tanh, is that of its notebook on Burgers' equation, and so is the natural
gradient as it comes: a ridge of 1e-5, steps of 1, a backtracking line search. SSBroyden comes with
the zoom line search. Domain, exact conditions and number of points are ours; float64.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import jinns as _jinns  # noqa: E402  # pyright: ignore
import numpy as np  # noqa: E402

from benchmarks.remote.serve import serve  # noqa: E402

jinns: Any = _jinns  # a module that the interpreter of this project does not have
LOOKS = 50


class Problem(NamedTuple):
    """`equation(u, x)` is to vanish for a function u of one point; time comes first, as in jinns.
    `trial(x, y)` makes of a network's y what fulfils the conditions."""

    bounds: tuple[tuple[float, float], ...]
    equation: Callable
    trial: Callable
    timed: bool = False
    features: Callable = lambda x: x


def slope(u, x, axis):
    return jax.grad(u)(x)[axis]


def bend(u, x, axis):
    return jax.grad(lambda y: jax.grad(u)(y)[axis])(x)[axis]


def poisson1d():
    def equation(u, x):
        return bend(u, x, 0) + jnp.pi**2 * jnp.sin(jnp.pi * x[0])

    return Problem(((-1, 1),), equation, lambda x, y: (1 - x**2) * y)


def poisson2d():
    def equation(u, x):
        source = 2 * jnp.pi**2 * jnp.prod(jnp.sin(jnp.pi * x))
        return bend(u, x, 0) + bend(u, x, 1) + source

    return Problem(((0, 1), (0, 1)), equation, lambda x, y: jnp.prod(x * (1 - x)) * y)


def helmholtz():
    def equation(u, x):
        exact = jnp.sin(jnp.pi * x[0]) * jnp.sin(4 * jnp.pi * x[1])
        return bend(u, x, 0) + bend(u, x, 1) + u(x) - (1 - 17 * jnp.pi**2) * exact

    return Problem(((-1, 1), (-1, 1)), equation, lambda x, y: jnp.prod(1 - x**2) * y)


def burgers():
    def equation(u, x):
        return slope(u, x, 0) + u(x) * slope(u, x, 1) - 0.01 / jnp.pi * bend(u, x, 1)

    def trial(x, y):
        return -jnp.sin(jnp.pi * x[1:]) + x[:1] * x[1:] * (1 - x[1:]) * y

    return Problem(((0, 1), (0, 1)), equation, trial, timed=True)


def allen_cahn():
    def equation(u, x):
        return slope(u, x, 0) - 1e-3 * bend(u, x, 1) - 5 * (u(x) - u(x) ** 3)

    def trial(x, y):
        return x[1:] ** 2 * jnp.cos(jnp.pi * x[1:]) + x[:1] * (1 - x[1:] ** 2) * y

    def even(x):
        return jnp.stack([2 * x[0] - 1, 2 * x[1] ** 2 - 1])

    return Problem(((0, 1), (0, 1)), equation, trial, timed=True, features=even)


PROBLEMS = {f.__name__: f for f in (poisson1d, poisson2d, helmholtz, burgers, allen_cahn)}


class Stationary(jinns.loss.PDEStatio):
    residual: Callable = eqx.field(static=True, default=None, kw_only=True)

    def equation(self, x, u, params):
        return jnp.atleast_1d(self.residual(lambda y: jnp.squeeze(u(y, params)), x))


class Evolution(jinns.loss.PDENonStatio):
    residual: Callable = eqx.field(static=True, default=None, kw_only=True)

    def equation(self, t_x, u, params):
        return jnp.atleast_1d(self.residual(lambda y: jnp.squeeze(u(y, params)), t_x))


def setup(problem, points):
    """The network, its start, the points and the loss."""
    key, dim = jax.random.PRNGKey(0), len(problem.bounds)
    layers = [(eqx.nn.Linear, dim, 16), (jax.nn.tanh,)]
    layers += 2 * [(eqx.nn.Linear, 16, 16), (jax.nn.tanh,)] + [(eqx.nn.Linear, 16, 1)]
    u, start = jinns.nn.PINN_MLP.create(
        key=key,
        eqx_list=tuple(layers),
        eq_type="PDENonStatio" if problem.timed else "PDEStatio",
        input_transform=lambda x, _: problem.features(x),
        output_transform=lambda x, y, _: problem.trial(x, y),
    )
    params = jinns.parameters.Params(nn_params=start, eq_params={})
    space = problem.bounds[1:] if problem.timed else problem.bounds
    lower, upper = zip(*space, strict=True)
    mesh = {"key": key, "n": points, "dim": len(space), "method": "sobol"}
    mesh |= {"min_pts": lower, "max_pts": upper}
    if problem.timed:
        (begin, end), *_ = problem.bounds
        data = jinns.data.CubicMeshPDENonStatio(tmin=begin, tmax=end, ni=1, nb=2, **mesh)
        loss = jinns.loss.LossPDENonStatio(
            u=u,
            dynamic_loss=Evolution(residual=problem.equation),
            loss_weights=jinns.loss.LossWeightsPDENonStatio(dyn_loss=1.0),
            params=params,
        )
    else:
        data = jinns.data.CubicMeshPDEStatio(**mesh)
        loss = jinns.loss.LossPDEStatio(
            u=u,
            dynamic_loss=Stationary(residual=problem.equation),
            loss_weights=jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0),
            params=params,
        )
    return u, params, data, loss


def callback_value(params, batch, loss):
    return loss.evaluate(params, batch)[0]


def callback_slope(params, batch, loss):
    return loss.ponderate_and_sum_gradient(loss.values_and_grads(params, batch)[1])


def optimizer_of(name):
    """The optimizer, and what `jinns.solve` must tell it."""
    if name == "natural":
        return jinns.optimizers.vanilla_ngd(), None
    told = jinns.solver.GetJinnsVariableName
    return jinns.optimizers.scale_by_SSBroyden_family(), {
        "value": told("train_loss_value"),
        "grad_pt": told("grads"),
        "value_fn": callback_value,
        "grad_fn": callback_slope,
        "batch": told("batch"),
        "loss": told("loss"),
    }


def train(problem, points, method, steps):
    """The network, and its parameters after every step."""
    u, params, data, loss = setup(problem, points)
    optimizer, told = optimizer_of(method)
    everything = jax.tree.map(lambda _: True, params)
    answers = jinns.solve(
        n_iter=steps,
        init_params=params,
        data=data,
        loss=loss,
        optimizer=optimizer,
        tracked_params=everything,
        extra_optax_args_and_kwargs=told,
        verbose=False,
    )
    return u, answers[6]


def build(case, arrays):
    """`<problem> <points> <method> <steps>`: seconds and values at some points, a row for each of
    some steps, all taken as equally long."""
    name, points, method, steps = case.split()
    problem, steps = PROBLEMS[name](), int(steps)
    places = jnp.asarray(arrays["points"])
    places = places[:, ::-1] if problem.timed else places

    def run():
        begin = time.perf_counter()
        u, history = jax.block_until_ready(train(problem, int(points), method, steps))
        seconds = time.perf_counter() - begin
        rows = []
        for i in np.linspace(0, steps - 1, min(LOOKS, steps)).astype(int):
            params = jax.tree.map(lambda leaf, i=i: leaf[i], history)
            values = jax.vmap(lambda z, p=params: u(z, p))(places)
            rows.append(np.append((i + 1) / steps * seconds, values[:, 0]))
        return np.stack(rows)

    return run


if __name__ == "__main__":
    serve(build)
