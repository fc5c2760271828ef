"""Peers that cannot live beside us: run by an interpreter of their own, timed in the same run."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.runner.case import Peer, Run, Size
from benchmarks.runner.optional import NotHere


class Remote:
    """A program in another interpreter, driven by lines through a pipe.

    A round trip costs some 0.1 ms, which our clock counts as the peer's. Arrays go through a
    temporary folder, before and after the clock.
    """

    def __init__(self, python: str, module: str, case: str, arrays: Mapping[str, np.ndarray]):
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [python, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        inputs = self._path("inputs.npz")
        np.savez(inputs, allow_pickle=False, **arrays)
        self._ask(build=case, inputs=inputs)

    def __call__(self) -> None:
        self._ask(run=True)

    def output(self) -> np.ndarray:
        """What the last call returned there."""
        path = self._path("output.npy")
        self._ask(save=path)
        return np.load(path)

    def _path(self, name: str) -> str:
        return str(Path(self._folder.name) / name)

    def _ask(self, **message: Any) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer != "done":
            raise RuntimeError(answer or "the peer's interpreter ended without an answer")

    def __del__(self):
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def remote_run(
    variable: str,
    module: str,
    case: str,
    arrays: Mapping[str, Any],
    error: Callable[[np.ndarray], float],
) -> Run:
    """A run of `case` by `module`, in the interpreter that the environment variable names."""
    program = Remote(
        os.environ[variable], module, case, {k: np.asarray(v) for k, v in arrays.items()}
    )

    def step():
        program()
        return program

    return Run(step, (), lambda remote: error(remote.output()), host=True)


def remote_training(
    variable: str, module: str, case: str, points: Any, error: Callable[[np.ndarray], float]
) -> Run:
    """A training by `module`, which answers with rows: seconds, and its values at `points` then."""
    program = Remote(os.environ[variable], module, case, {"points": np.asarray(points)})

    def step():
        program()
        rows = program.output()
        return rows[-1, 1:], [(float(row[0]), error(row[1:])) for row in rows]

    return Run(step, (), error, host=True)


class Environment(NamedTuple):
    """An environment of its own: the variable that names its Python, and what it must hold."""

    variable: str
    install: str
    beside: str

    def peer(self, name: str, make: Callable[[Size], Run]) -> Peer:
        return Peer(name, self.install, make, interpreter=self.variable, beside=self.beside)

    def answer(self, module: str, case: str, arrays: Mapping[str, Any]) -> np.ndarray:
        """What `module` returns of `case`, for a case whose data it makes.

        **Raises:** `NotHere` where the variable names no file.
        """
        if not Path(os.environ.get(self.variable, "")).is_file():
            raise NotHere(
                f"{self.install}: set {self.variable} to a Python that has it and {self.beside}"
            )
        program = Remote(
            os.environ[self.variable], module, case, {k: np.asarray(v) for k, v in arrays.items()}
        )
        program()
        return program.output()


GRAD_DFT = Environment(
    "GRAD_DFT_PYTHON",
    "git+https://github.com/XanaduAI/GradDFT@941afc2",
    "jax==0.4.20 jaxlib==0.4.20 flax==0.7.5 optax==0.1.7 orbax-checkpoint==0.4.4 'numpy<2' "
    "'scipy<1.13' ml-dtypes==0.2.0 pyscf h5py typeguard==2.13.3 jaxtyping==0.2.23 tqdm pandas "
    "attrs",
)
NEURAL_TANGENTS = Environment(
    "NEURAL_TANGENTS_PYTHON",
    "neural-tangents==0.6.5",
    "jax==0.4.25 jaxlib==0.4.25 'numpy<2' 'scipy<1.13' "
    "frozendict typing_extensions absl-py flatbuffers",
)
NEURALOPERATOR = Environment(
    "NEURALOPERATOR_PYTHON",
    "neuraloperator==2.0.0",
    "torch==2.13.0 tensorly tensorly-torch opt-einsum wandb zencfg configmypy h5py matplotlib "
    "ruamel.yaml",
)
DEEPXDE = Environment(
    "DEEPXDE_PYTHON", "deepxde==1.15.0", "torch==2.13.0 scikit-learn scikit-optimize matplotlib"
)
CHGNET = Environment(
    "CHGNET_PYTHON",
    "chgnet==0.4.2",
    "torch==2.13.0 pymatgen ase nvidia-ml-py3 typing-extensions",
)
TBLITE = Environment("TBLITE_PYTHON", "tblite==0.8.0", "numpy cffi")
MGNO = Environment(
    "MGNO_PYTHON",
    "https://github.com/xlliu2017/MgNO@3a68a90",
    "torch==2.13.0 torchinfo h5py scipy matplotlib",
)
JINNS = Environment("JINNS_PYTHON", "jinns==1.10.2", "jax==0.10.1 jaxlib==0.10.1 equinox optax")
JAXKAN = Environment("JAXKAN_PYTHON", "jaxkan==0.3.7", "jax==0.10.1 jaxlib==0.10.1 flax==0.12.8")
PYSCFAD = Environment(
    "PYSCFAD_PYTHON",
    "pyscfad==0.3.4",
    "jax==0.10.1 jaxlib==0.10.1 pyscfadlib==0.3.4 pyscf-properties pyscf h5py",
)
MESS = Environment(
    "MESS_PYTHON",
    "mess-jax==0.1.2",
    "jax==0.4.35 jaxlib==0.4.35 equinox==0.11.10 optimistix==0.0.10 lineax==0.0.7 optax==0.2.5 "
    "basis-set-exchange importlib-resources more-itertools pandas periodictable py3Dmol pyarrow "
    "pyscf sympy tabulate",
)
PYHGF = Environment(
    "PYHGF_PYTHON",
    "pyhgf==0.2.12",
    "jax==0.4.31 jaxlib==0.4.31 numpy matplotlib pymc pandas seaborn networkx graphviz",
)
