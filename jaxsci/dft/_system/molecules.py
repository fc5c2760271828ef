"""Many molecules, built by several host processes, of which one may fail."""

import os
import pathlib
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from ...core import Failure, attempt, in_processes, require_x64
from .._basis.integrals import check_atoms
from .._basis.soundness import warn_of_excited_atom
from .buckets import check_buckets, pad_to_buckets
from .inputs import geometry_of
from .molecule import Atoms, Molecule, Unit, given_or_found, is_mole, molecule
from .xyz import read_geometries

# A process costs this many seconds before its first molecule: the time to load JAX and PySCF.
_START = 5.0
# And this much for what it sends back: with full integrals no less than building them.
_SECONDS_A_BYTE = 3e-9


def molecules(
    many: Sequence[Atoms | Any] | str | pathlib.Path,
    basis: Any = None,
    *,
    charge: int | Sequence[int] | None = None,
    spin: int | Sequence[int] | None = None,
    unit: Unit = "angstrom",
    grid: int = 3,
    density_fit: bool | str | None = None,
    restricted: bool | None = None,
    omega: float | None = None,
    buckets: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    progress: bool = True,
    throw: bool = True,
) -> list[Molecule]:
    """Many molecules, built by several processes.

    Bad input is reported before the work starts. The molecule of a process that dies (of memory,
    say) is tried once more in a new process; then it counts as failed.

    **Arguments:**

    - `many`: a list of what `molecule` takes, or the path of an .xyz file with many frames.
    - `basis`: as in `molecule`, for all.
    - `charge`, `spin`: as in `molecule`, one for all or one per molecule; `None` takes what each
        molecule says, and zero where it says nothing.
    - `unit`: of the positions, "angstrom" or "bohr".
    - `grid`: PySCF's grid level, 0 to 9.
    - `density_fit`: `True`, `False`, the name of an auxiliary basis, or `None`, as in `molecule`.
    - `restricted`: `True`, `False` or `None`, as in `molecule`.
    - `omega`: ω in Bohr⁻¹ of a range-separated functional, or `None`.
    - `buckets`: pad the molecules to at most this many shapes, as `pad_to_buckets` does, so that a
        jitted function of a molecule is compiled no more often; `None` pads none.
    - `workers`: processes of one thread each. `None` starts one per core of this machine, but only
        once the remaining work outweighs starting them and sending the arrays back; 1 starts none.
    - `timeout`: seconds that one molecule may take, the start of its process included; `None` sets
        no limit. With a limit every molecule is built in a process.
    - `progress`: show a progress bar once it takes more than two seconds.
    - `throw`: raise at the first molecule that fails. Otherwise its place holds `None`, and a
        warning counts and names the failures.

    **Returns:** a list of `Molecule`, in the order of `many`; `stack` those of similar size.

    **Raises:** `ValueError` as `molecule` does, with the number of the molecule (from 0), and as
    `pad_to_buckets` does; `RuntimeError` for one that failed otherwise, in several processes twice,
    or took too long.

    **Good values:** `buckets=6` for a data set of small molecules of different composition, and
    `None` for the geometries of one molecule, which have one shape anyway.

    ```python
    water = jsci.dft.molecules("trajectory.xyz", "def2-svp", grid=1)
    batch = jsci.dft.stack(water)

    hydrides = [[("Li", (0, 0, 0)), ("H", (0, 0, 1.6))], [("F", (0, 0, 0)), ("H", (0, 0, 0.9))]]
    padded = jsci.dft.molecules(hydrides, "sto-3g", grid=0, buckets=1)
    solve = jax.jit(lambda m: jsci.dft.scf(m, pbe, throw=False).energy)
    energies = [solve(m) for m in padded]  # compiles one program
    ```
    """
    require_x64("jsci.dft")
    many = read_geometries(many) if isinstance(many, str | pathlib.Path) else list(many)
    charges, spins = _each(charge, "charge", len(many)), _each(spin, "spin", len(many))
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    if buckets is not None:
        check_buckets(buckets)
    shared = {
        "unit": unit,
        "grid": grid,
        "density_fit": density_fit,
        "restricted": restricted,
        "omega": omega,
    }
    jobs = [
        _job(i, atoms, basis, {"charge": q, "spin": s, **shared})
        for i, (atoms, q, s) in enumerate(zip(many, charges, spins, strict=True))
    ]
    built: list[Any] = [None] * len(jobs)
    failures: dict[int, str] = {}
    with tqdm(total=len(jobs), disable=not progress, delay=2.0, unit="molecule") as bar:
        for i, result in _build(jobs, workers, timeout):
            if not isinstance(result, Failure):
                built[i] = jax.tree.map(jax.device_put, result)
            elif isinstance(result.error, ValueError):
                raise ValueError(f"molecule {i}: {result.error}")
            elif throw:
                raise RuntimeError(f"molecule {i}: {result.reason}") from result.error
            else:
                failures[i] = result.reason
            bar.update()
    if failures:
        named = "; ".join(f"molecule {i}: {why}" for i, why in sorted(failures.items()))
        warnings.warn(f"{len(failures)} of {len(jobs)} molecules failed. {named}", stacklevel=2)
    return built if buckets is None else pad_to_buckets(built, buckets)


def _each(value, name: str, n: int) -> list:
    if np.ndim(value) == 0:
        return [value] * n
    if len(value) != n:
        raise ValueError(f"{name} has {len(value)} entries for {n} molecules: give one, or {n}.")
    return list(value)


def _job(i: int, atoms: Any, basis: Any, options: dict) -> tuple:
    """What a process needs, once the cheap checks have passed."""
    try:
        if not is_mole(atoms):
            found = geometry_of(atoms, str(options["unit"]))
            charge, spin = (
                given_or_found(options[name], getattr(found, name)) for name in ("charge", "spin")
            )
            atoms = found._replace(atoms=check_atoms(found.atoms, basis, charge, spin))
            if options["spin"] is None and found.spin is None:
                warn_of_excited_atom(atoms.atoms, charge)
            options = options | {"charge": charge, "spin": spin}
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"molecule {i}: {error}") from None
    return atoms, basis, options


def _build(
    jobs: list[tuple], workers: int | None, timeout: float | None
) -> Iterator[tuple[int, Any]]:
    """Pairs of number and molecule, or failure, as they are done."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    start, sent, done = time.monotonic(), 0, 0
    # Here, until it is clear that processes pay. The first molecule tells little: it loads PySCF.
    while timeout is None and done < len(jobs) and (workers == 1 or workers is None):
        if workers is None and done > 1:
            left = (len(jobs) - done) / (done - 1)
            gain = left * (time.monotonic() - start) * (1 - 1 / (cores or 1))
            if gain > _START + left * sent * _SECONDS_A_BYTE:
                break
        built = attempt(_molecule, jobs[done])
        if done == 0:
            start = time.monotonic()
        else:
            sent += sum(x.nbytes for x in jax.tree.leaves(built) if isinstance(x, jax.Array))
        yield done, built
        done += 1
    others = range(done, len(jobs))
    yield from in_processes(_arrays, jobs, others, workers or cores or 1, timeout)


def _molecule(job: tuple) -> Molecule:
    atoms, basis, options = job
    return molecule(atoms, basis, **options)


def _arrays(job: tuple) -> Molecule:
    return jax.tree.map(np.asarray, _molecule(job))
