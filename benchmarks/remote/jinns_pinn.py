"""jinns 1.10, in an interpreter of its own: Burgers' front by its natural gradient."""

from typing import Any

import equinox as eqx
import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import jinns as _jinns  # noqa: E402  # pyright: ignore
import numpy as np  # noqa: E402

from .serve import serve  # noqa: E402

jinns: Any = _jinns  # a module that the interpreter of this project does not have


def exact_conditions(tx, y, params):
    """-sin πx at the start, 0 at x = ±1."""
    t, x = tx[:1], tx[1:]
    return -jnp.sin(jnp.pi * x) + t * (1 - x**2) * y


def burgers(steps):
    """3 x 20 tanh, 2,500 Sobol points, exact conditions, float64; the optimiser as it comes, with
    a ridge of 1e-5, steps of 1 and a backtracking line search."""
    key = jax.random.PRNGKey(0)
    layers = [(eqx.nn.Linear, 2, 20), (jax.nn.tanh,)]
    layers += 2 * [(eqx.nn.Linear, 20, 20), (jax.nn.tanh,)] + [(eqx.nn.Linear, 20, 1)]
    u, start = jinns.nn.PINN_MLP.create(
        key=key, eqx_list=tuple(layers), eq_type="PDENonStatio", output_transform=exact_conditions
    )
    jinns.parameters.EqParams.clear()
    params = jinns.parameters.Params(nn_params=start, eq_params={"nu": jnp.array(0.01 / np.pi)})
    data = jinns.data.CubicMeshPDENonStatio(
        key=key,
        n=2500,
        ni=1,
        nb=2,
        dim=1,
        tmin=0.0,
        tmax=1.0,
        min_pts=(-1.0,),
        max_pts=(1.0,),
        method="sobol",
    )
    loss = jinns.loss.LossPDENonStatio(
        u=u,
        dynamic_loss=jinns.loss.BurgersEquation(Tmax=1),
        loss_weights=jinns.loss.LossWeightsPDENonStatio(dyn_loss=1.0),
        params=params,
    )
    trained = jinns.solve(
        n_iter=steps,
        init_params=params,
        data=data,
        loss=loss,
        optimizer=jinns.optimizers.vanilla_ngd(),
        verbose=False,
    )
    return u, trained[0]


def build(case, arrays):
    """`<steps>`: train on Burgers, and return the values at the given points (x, t)."""

    def run():
        u, params = burgers(int(case))
        tx = jnp.asarray(arrays["points"][:, ::-1])
        return np.asarray(jax.vmap(lambda z: u(z, params))(tx))[:, 0]

    return run


if __name__ == "__main__":
    serve(build)
