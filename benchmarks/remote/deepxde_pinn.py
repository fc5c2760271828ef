"""DeepXDE 1.15 on PyTorch, in an interpreter of its own: PINNs with the settings it publishes."""

import os

os.environ.setdefault("DDE_BACKEND", "pytorch")

from typing import Any  # noqa: E402

import deepxde as _deepxde  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402  # pyright: ignore

from .serve import serve  # noqa: E402

dde: Any = _deepxde  # a module that the interpreter of this project does not have


def burgers(adam):
    """Its example `Burgers.py`: 3 x 20 tanh, 2,540 points inside, 80 and 160 on the walls, Adam
    for 15,000 steps, then L-BFGS; float32, as it comes."""

    def equation(x, y):
        slope, drift = (dde.grad.jacobian(y, x, i=0, j=j) for j in (0, 1))
        return drift + y * slope - 0.01 / np.pi * dde.grad.hessian(y, x, i=0, j=0)

    space, times = dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1.0)
    domain = dde.geometry.GeometryXTime(space, times)
    walls = dde.icbc.DirichletBC(domain, lambda x: 0, lambda _, on: on)
    start = dde.icbc.IC(domain, lambda x: -np.sin(np.pi * x[:, 0:1]), lambda _, on: on)
    data = dde.data.TimePDE(
        domain, equation, [walls, start], num_domain=2540, num_boundary=80, num_initial=160
    )
    model = dde.Model(data, dde.nn.FNN([2] + [20] * 3 + [1], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3, verbose=0)
    model.train(iterations=adam, display_every=adam + 1, verbose=0)
    model.compile("L-BFGS", verbose=0)
    model.train(display_every=10**6, verbose=0)
    return model


def poisson2d(adam):
    """Its example `Helmholtz_Dirichlet_2d_HBC.py` with Poisson's equation in place of Helmholtz':
    exact boundary values, 3 x 150 sine, ten points a side, Adam for 5,000 steps."""

    def equation(x, y):
        bend = sum(dde.grad.hessian(y, x, i=i, j=i) for i in (0, 1))
        source = 2 * np.pi**2 * torch.prod(torch.sin(np.pi * x), dim=1, keepdim=True)
        return -bend - source

    def exact_walls(x, y):
        return x[:, :1] * (1 - x[:, :1]) * x[:, 1:] * (1 - x[:, 1:]) * y

    square = dde.geometry.Rectangle([0, 0], [1, 1])
    data = dde.data.PDE(square, equation, [], num_domain=400, num_boundary=80)
    network = dde.nn.FNN([2] + [150] * 3 + [1], "sin", "Glorot uniform")
    network.apply_output_transform(exact_walls)
    model = dde.Model(data, network)
    model.compile("adam", lr=1e-3, verbose=0)
    model.train(iterations=adam, display_every=adam + 1, verbose=0)
    return model


def build(case, arrays):
    """`<problem> <steps of Adam>`: train and return the values at the given points."""
    problem, adam = case.split()
    train = {"burgers": burgers, "poisson2d": poisson2d}[problem]

    def run():
        dde.config.set_random_seed(0)
        model = train(int(adam))
        with torch.no_grad():
            return np.asarray(model.predict(arrays["points"].astype(np.float32)))[:, 0]

    return run


if __name__ == "__main__":
    serve(build)
