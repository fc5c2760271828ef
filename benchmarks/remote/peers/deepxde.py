"""DeepXDE 1.15 on PyTorch, in an interpreter of its own: training steps of its DeepONet."""

import os

os.environ.setdefault("DDE_BACKEND", "pytorch")

from typing import Any

import deepxde as _deepxde
import torch  # pyright: ignore

from benchmarks.remote.serve import serve

deepxde: Any = _deepxde  # a module that the interpreter of this project does not have


def _copy(layers, arrays, name):
    for i, layer in enumerate(layers):
        layer.weight.data = torch.from_numpy(arrays[f"{name}{i}.weight"].T.copy())
        layer.bias.data = torch.from_numpy(arrays[f"{name}{i}.bias"])


def _network(arrays):
    """Its network for functions that share their points, with our weights."""

    def sizes(name):
        weights = [arrays[k] for k in sorted(arrays) if k.startswith(name) and k.endswith("weight")]
        return [weights[0].shape[0], *(w.shape[1] for w in weights)]

    network = deepxde.nn.DeepONetCartesianProd(
        sizes("branch"), sizes("trunk"), "relu", "Glorot normal"
    )
    _copy(network.branch.linears, arrays, "branch")
    _copy(network.trunk.linears, arrays, "trunk")
    return network


def build(case, arrays):
    """`train <steps>`: full-batch Adam steps on the mean squared error, through `Model.train`."""
    steps = int(case.split()[1])
    functions, points, values = arrays["functions"], arrays["points"], arrays["values"]
    data = deepxde.data.TripleCartesianProd(
        (functions, points), values, (functions[:1], points), values[:1]
    )

    def train():
        model = deepxde.Model(data, _network(arrays))
        model.compile("adam", lr=1e-3, verbose=0)
        model.train(iterations=steps, display_every=steps + 1, verbose=0)
        with torch.no_grad():
            return model.predict((functions, points))

    return train


if __name__ == "__main__":
    serve(build)
