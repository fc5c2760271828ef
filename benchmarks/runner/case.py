"""What a benchmark case is: data that the runner measures, checks and reports.

A file `benchmarks/cases/<pillar>/<name>.py` defines `CASES: list[Case]`. The smallest case:

    def make(size):
        n = {"smoke": 64, "quick": 256, "full": 1024}[size]
        a = np.random.default_rng(0).standard_normal((n, n))
        return Run(lambda a: a @ a.T, (a,), error=lambda out: float(abs(out - a @ a.T).max()))

    CASES = [
        Case("core.product", "core", "A Aᵀ", make, "smoke", reference="NumPy", tolerance=1e-9),
    ]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

Size = Literal["smoke", "quick", "full"]
SIZES: tuple[Size, ...] = get_args(Size)


class Baseline(NamedTuple):
    """What `step` is timed against; a plain tuple `(label, function, args)` serves as well.

    **Arguments:**

    - `label`: how the table calls it: "naive jacfwd(jacfwd)", "PySCF", ...
    - `function`: called as `function(*args)`; jitted by the runner unless `host`.
    - `host`: the function must not be jitted (NumPy, PySCF).
    - `error`: how far its output is from the reference; `None` takes that of the `Run`.
    - `part`: it is a part of what `step` does, so that the ratio says what the rest costs.
    """

    label: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    host: bool = False
    error: Callable[[Any], float] | None = None
    part: bool = False


ORDER = ("core", "pde", "dft", "operators", "ntk", "atoms", "bayes", "analysis")


def place(pillar: str) -> int:
    """Where a pillar stands in lists of cases."""
    return ORDER.index(pillar) if pillar in ORDER else len(ORDER)


@dataclass(frozen=True)
class Run:
    """One case, built at one size: everything here exists before the clock starts.

    **Arguments:**

    - `step`: a pure function of arrays. The runner compiles it (timed apart) and calls the
      compiled `step(*args)`.
    - `args`: its arguments, pytrees of arrays.
    - `error`: `error(output)`, a float compared with `Case.tolerance`. Not timed.
    - `batched`: `batched(n)` returns `(function, args)` that computes n items at once, usually
      `(jax.vmap(step), stacked)`. Leaves of `args` that grow with n carry the items on their
      leading axis, and so does every leaf of the output; the runner slices them to compare with a
      loop over one compiled item.
    - `batch_tolerance`: largest relative difference between batch and loop; above it the case is
      wrong. Return only what does not depend on a gauge (energies, not orbitals).
    - `baseline`: timed against `step` in interleaved pairs, at least five: keep one call of it
      under a second in quick.
    - `note`: one line under the row: sizes, settings.
    - `figures`: further figures for the row (steps taken, parameters), or a function of the
      output that returns them.
    - `plot`: `plot(axes, output)` draws the result on a Matplotlib axes, for the HTML report.
    - `host`: `step` is a plain Python callable, not jitted, run once (a whole training by `fit`).
      It may return `(output, curve)`, where `curve` is a list of `(seconds, error)`, or a dict of
      several such lists by label.
    """

    step: Callable[..., Any]
    args: tuple[Any, ...]
    error: Callable[[Any], float]
    batched: Callable[[int], tuple[Callable[..., Any], tuple[Any, ...]]] | None = None
    batch_tolerance: float = 1e-5
    baseline: Baseline | tuple[str, Callable[..., Any], tuple[Any, ...]] | None = None
    note: str = ""
    figures: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] = field(default_factory=dict)
    plot: Callable[[Any, Any], None] | None = None
    host: bool = False


@dataclass(frozen=True)
class Peer:
    """Another package that solves the same problem, run with `--peers` where it is installed.

    **Arguments:**

    - `name`: the package as people call it.
    - `install`: what pip must install: "neural-tangents==0.6.5 'jax<0.5'". For code that is no
      package, "https://its.repository@revision".
    - `make`: `make(size)` returns a `Run`, of which `step`, `args`, `error` and `host` are used:
      the peer's error stands beside its time.
    - `module`: the module whose presence means "installed"; `None` takes `name`.
    - `interpreter`: for a peer whose pins exclude ours: the environment variable that holds the
      path of a Python which has it. Its `make` returns a `benchmarks.remote.remote_run`.
    - `beside`: what else must be installed there, since `install` then takes no dependencies.
    """

    name: str
    install: str
    make: Callable[[Size], Run]
    module: str | None = None
    interpreter: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Case:
    """A benchmark case as data.

    **Arguments:**

    - `name`: unique, "<pillar>.<problem>".
    - `title`: one line for people.
    - `make`: `make(size)` builds the inputs on the host, untimed, and returns a `Run`. Optional
      packages are imported here; a missing one makes the row say so.
    - `tier`: the smallest tier that runs the case: smoke cases also run in quick, quick ones also
      in full.
    - `reference`: what the error is measured against, in words.
    - `tolerance`: the largest error for which a speed is reported. Larger: the row says WRONG.
    - `error_name`: what the error is: "relative L2", "Hartree".
    - `batches`: batch sizes of the throughput curve, ascending, stopped early by the budget of
      time and memory.
    - `item`: what a batch is made of, in the plural, for the curve's axis.
    """

    name: str
    pillar: str
    title: str
    make: Callable[[Size], Run]
    tier: Size = "quick"
    reference: str = ""
    tolerance: float = 0.0
    error_name: str = "error"
    batches: tuple[int, ...] = (1, 4, 16, 64)
    peers: tuple[Peer, ...] = ()
    item: str = "items"

    def __post_init__(self):
        if self.tier not in SIZES:
            raise ValueError(f"{self.name}: tier {self.tier!r} is none of {', '.join(SIZES)}")
        if not self.tolerance > 0:
            raise ValueError(f"{self.name}: tolerance must be positive, got {self.tolerance!r}")
        if list(self.batches) != sorted(set(self.batches)) or min(self.batches, default=1) < 1:
            raise ValueError(
                f"{self.name}: batches must be positive and ascending, got {self.batches!r}"
            )

    def runs_in(self, size: Size) -> bool:
        """Whether the case belongs to a run of this size."""
        return SIZES.index(self.tier) <= SIZES.index(size)
