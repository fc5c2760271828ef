"""neuraloperator 2.0's own FNO, trained for as much CPU time as ours, in its own interpreter."""

import time

import numpy as np
import torch  # pyright: ignore
from neuralop.losses import LpLoss  # pyright: ignore
from neuralop.models import FNO  # pyright: ignore

from benchmarks.remote.serve import serve


def build(case, arrays):
    """`<seeds> <seconds> <width> <modes> <depth> <padding> <rate>`: train, and predict the tests.

    With a further number, of time steps: the network is what a step adds, and predictions are those
    of all steps from the tests, `(n, steps, *grid, 1)`. Adam, with the cosine of the CPU time spent
    as its rate, as on our side; on one thread, where small operations take the least CPU time.
    """
    torch.set_num_threads(1)
    seeds, seconds, width, modes, depth, padding, rate, *steps = map(float, case.split())
    data = {name: torch.from_numpy(v).movedim(-1, 1) for name, v in arrays.items()}
    dim = data["a"].ndim - 2

    def predict(model, a, factor):
        return factor * model(a) + (a if steps else 0)

    def train(seed):
        torch.manual_seed(seed)
        model = FNO(
            n_modes=(2 * int(modes) + 1,) * dim, in_channels=1, out_channels=1,
            hidden_channels=int(width), n_layers=int(depth), domain_padding=padding or None,
        )  # fmt: skip
        optimizer, loss = torch.optim.Adam(model.parameters()), LpLoss(d=dim, reduction="mean")
        start, spent = time.process_time(), 0.0
        while spent < seconds:
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + np.cos(np.pi * spent / seconds)) / 2
            chosen = torch.randint(len(data["a"]), (20,))
            optimizer.zero_grad(set_to_none=True)
            prediction = predict(model, data["a"][chosen], data["factor"])
            loss.rel(prediction, data["u"][chosen]).backward()
            optimizer.step()
            spent = time.process_time() - start
        states = [data["test_a"]]
        with torch.no_grad():
            for _ in range(int(*steps) or 1):
                states.append(predict(model, states[-1], data["test_factor"]))
        answers = [state.movedim(1, -1).numpy() for state in states[1:]]
        return np.stack(answers, 1) if steps else answers[0]

    return lambda: np.stack([train(seed) for seed in range(int(seeds))])


if __name__ == "__main__":
    serve(build)
