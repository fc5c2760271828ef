"""DeepXDE 1.15 in a new process: one step of Adam for Poisson's equation, with its network."""

import contextlib
import json
import sys

import numpy as np

from benchmarks.remote.peers.deepxde_pinn import PROBLEMS, dde

with contextlib.redirect_stdout(sys.stderr):
    dde.config.set_default_float("float64")
    dde.config.set_random_seed(0)
    problem = PROBLEMS["poisson2d"]()
    data = dde.data.PDE(problem.domain, problem.equation, [], num_domain=600)
    network = dde.nn.FNN(*problem.network)
    network.apply_output_transform(problem.trial)
    model = dde.Model(data, network)
    model.compile("adam", lr=1e-3, verbose=0)
    model.train(iterations=1, verbose=0)
    x = np.random.default_rng(0).uniform(size=(400, 2))
    found, exact = model.predict(x)[:, 0], np.prod(np.sin(np.pi * x), axis=1)
print(json.dumps(float(np.linalg.norm(found - exact) / np.linalg.norm(exact))))
