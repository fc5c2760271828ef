"""What an FNO learns in equal CPU time, beside the best linear map and a peer.

Both sides see the same samples, on the same points: every fourth where that loses nothing.
Compilation is timed apart.
"""

from functools import partial

import jax
import jax.numpy as jnp

from benchmarks.cases.operators._problems import ridge_error
from benchmarks.cases.operators.equal_time._learning import PROBLEMS, SEEDS, learner, thin
from benchmarks.remote import NEURALOPERATOR, remote_run
from benchmarks.runner.case import Case, Run
from jaxsci.operators import relative_l2

SECONDS = {"smoke": 1.0, "quick": 10.0, "full": 30.0}  # of CPU time, a network


def fno_accuracy(which, size):
    """Three seeds of our FNO."""
    problem, seconds = PROBLEMS[which], SECONDS[size]
    samples = problem.samples()
    learn = learner(problem.fno, samples)

    def step():
        learned = [learn(seed, seconds) for seed in range(SEEDS)]
        curves = {f"seed {seed}": curve for seed, (_, _, curve) in enumerate(learned)}
        return [(error, parameters) for error, parameters, _ in learned], curves

    def figures(learned):
        shown = {f"seed {seed}": f"{error:.1e}" for seed, (error, _) in enumerate(learned)}
        linear = ridge_error(*samples[:4])
        return shown | {"best linear map": f"{linear:.1e}", "parameters": learned[0][1]}

    return Run(
        step,
        (),
        error=lambda learned: max(error for error, _ in learned),
        host=True,
        note=f"{problem.drawn}; {seconds:g} CPU seconds a seed on either side",
        figures=figures,
    )


def neuraloperator(which, size):
    """Three seeds of its own FNO, on the same samples for as many CPU seconds of Adam."""
    problem, seconds = PROBLEMS[which], SECONDS[size]
    samples = problem.samples()
    a, u, factor = (thin(v, problem.fno.stride) for v in (*samples[:2], samples.factor[None]))
    arrays = {"a": a, "u": u, "factor": factor}
    arrays |= {"test_a": samples.test_a, "test_factor": samples.factor[None]}
    error = jax.vmap(relative_l2)
    return remote_run(
        NEURALOPERATOR.variable,
        "benchmarks.remote.peers.neuraloperator_training",
        f"{SEEDS} {seconds} {problem.peer}",
        arrays,
        lambda predictions: max(
            float(jnp.mean(error(jnp.asarray(p), samples.test_u))) for p in predictions
        ),
    )


def _cases():
    for which, problem in PROBLEMS.items():
        yield Case(
            f"operators.accuracy-{which}", "operators", f"{problem.title}: FNO in equal CPU time",
            partial(fno_accuracy, which), "full", reference="held-out samples",
            tolerance=problem.tolerance, error_name="worst relative L2",
            peers=(NEURALOPERATOR.peer("neuraloperator", partial(neuraloperator, which)),),
        )  # fmt: skip


CASES = list(_cases())
