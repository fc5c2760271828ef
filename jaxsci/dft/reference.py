"""Energies and densities from wave functions: PySCF on the host, in several processes, cached."""

import contextlib
import hashlib
import json
import math
import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from .integrals import build_mole, import_pyscf, machine_memory
from .processes import Failure, attempt, in_processes

METHODS = ("hf", "ccsd", "ccsd(t)", "fci")


def reference_energies(
    molecules: Sequence[Sequence[tuple[str, Sequence[float]]]],
    basis: str,
    *,
    method: str = "ccsd(t)",
    charges: Sequence[int] | None = None,
    spins: Sequence[int] | None = None,
    unit: str = "angstrom",
    cache: str | os.PathLike | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Float[np.ndarray, " molecules"]:
    """Total energies of molecules by a method of wave functions.

    Unrestricted Hartree-Fock is underneath for open shells, restricted for closed ones; all
    electrons are correlated.

    **Arguments:**

    - `molecules`: for each a list of (symbol, position).
    - `basis`: as in `molecule`.
    - `method`: "hf", "ccsd", "ccsd(t)" or "fci" (two electrons, or a handful in a small basis).
    - `charges`, `spins`: one a molecule; zero by default.
    - `unit`: of the positions.
    - `cache`: a folder that keeps every energy, under a hash of all that determines it; what is
        there is not computed again, so an interrupted run goes on where it was.
    - `workers`: host processes, of one thread each.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** energies in Hartree, NaN where Hartree-Fock or coupled cluster did not converge,
    and where PySCF failed or the molecule's process died twice, for lack of memory say: a warning
    counts and names these.

    **Raises:** `ValueError` for an unknown method, lists of different lengths, or an impossible
    molecule.

    ```python
    energies = jsci.dft.reference_energies([h2, water], "def2-svp", cache="references")
    data = jsci.dft.training_batch([molecule(a, "def2-svp") for a in (h2, water)], energies)
    ```
    """
    options = {"charges": charges, "spins": spins, "unit": unit}
    jobs = _jobs("energy", METHODS, method, molecules, basis, options)
    return np.array(_references(jobs, cache, workers, progress), float)


def reference_densities(
    molecules: Sequence[Sequence[tuple[str, Sequence[float]]]],
    basis: str,
    *,
    method: str = "ccsd",
    charges: Sequence[int] | None = None,
    spins: Sequence[int] | None = None,
    unit: str = "angstrom",
    cache: str | os.PathLike | None = None,
    workers: int = 1,
    progress: bool = True,
) -> list[Float[np.ndarray, "*spin nao nao"]]:
    """One-particle density matrices of molecules by a method of wave functions.

    Of coupled cluster the response density without relaxation of the orbitals (the Λ equations),
    of full CI the exact one of the basis.

    **Arguments:** as in `reference_energies`; `method` is "hf", "ccsd" or "fci".

    **Returns:** for each molecule P in its basis, of both spins together or, for open shells, of
    each; NaN where `reference_energies` gives NaN. A correlated P is not idempotent: no
    determinant has it, so `density_error` against it never quite vanishes.

    **Raises:** as `reference_energies`.

    ```python
    densities = jsci.dft.reference_densities([h2, water], "def2-svp", cache="references")
    ```
    """
    options = {"charges": charges, "spins": spins, "unit": unit}
    jobs = _jobs("density", ("hf", "ccsd", "fci"), method, molecules, basis, options)
    return [np.array(p) for p in _references(jobs, cache, workers, progress)]


def _jobs(quantity, methods, method, molecules, basis, options):
    if method not in methods:
        raise ValueError(f"method is {method!r}; allowed are {', '.join(map(repr, methods))}.")
    import_pyscf()
    n = len(molecules)
    charges, spins = options["charges"] or [0] * n, options["spins"] or [0] * n
    if not len(charges) == len(spins) == n:
        raise ValueError(f"{n} molecules, {len(charges)} charges and {len(spins)} spins.")
    shared = {"basis": basis, "unit": options["unit"], "method": method}
    # What the caches of energies have always been named after has no quantity.
    shared |= {} if quantity == "energy" else {"quantity": quantity}
    jobs = [
        {"atoms": _plain(a), "charge": q, "spin": s, **shared}
        for a, q, s in zip(molecules, charges, spins, strict=True)
    ]
    for job in jobs:  # impossible molecules are named here, not in another process
        _mole(job)
    return jobs


def _references(jobs, cache, workers, progress):
    folder = None if cache is None else pathlib.Path(cache)
    known = [_read(folder, job) for job in jobs]
    missing = [i for i, e in enumerate(known) if e is None]
    bar = tqdm(
        total=len(jobs),
        initial=len(jobs) - len(missing),
        disable=not progress,
        delay=2.0,
        unit="molecule",
    )
    failures: dict[int, str] = {}
    with bar:
        for i, value in _compute(jobs, missing, workers):
            if not isinstance(value, Failure):
                known[i] = value
                _write(folder, jobs[i], value)
            elif isinstance(value.error, ValueError):
                raise ValueError(f"molecule {i}: {value.error}") from value.error
            else:
                known[i], failures[i] = math.nan, value.reason
            bar.update()
    if failures:
        named = "; ".join(f"molecule {i}: {why}" for i, why in sorted(failures.items()))
        counted = f"{len(failures)} of {len(jobs)} molecules have no reference."
        warnings.warn(f"{counted} {named}", stacklevel=3)
    return known


def _compute(jobs, missing, workers):
    """Pairs of number and value, or failure, as they are done."""
    if workers == 1 or len(missing) < 2:
        return ((i, attempt(_value, jobs[i])) for i in missing)
    return in_processes(_value, jobs, missing, workers)


def _value(job: dict[str, Any]) -> float | list:
    from pyscf import scf

    mol = _mole(job)
    # In a process whose arrays exceed PySCF's own limit it would work on disk, where the path for
    # a spin without empty orbitals fails.
    mol.max_memory = machine_memory() / 1e6
    field = (scf.UHF if mol.spin else scf.RHF)(mol)
    field.conv_tol = 1e-11
    # Left to the garbage collector, PySCF's temporary file warns that it is open.
    with contextlib.closing(field._chkfile):
        of_field = _density_of if job.get("quantity") == "density" else _energy_of
        return of_field(field.run(), mol, job["method"])


def _uncorrelated(mol, method) -> bool:
    """One electron, or no empty orbital, has no correlation."""
    return method == "hf" or mol.nelectron == 1 or min(mol.nelec) == mol.nao


def _energy_of(field, mol, method) -> float:
    from pyscf import cc, fci

    if not field.converged:
        return math.nan
    if _uncorrelated(mol, method):
        return float(field.e_tot)
    if method == "fci":
        return float(fci.FCI(field).kernel()[0])
    coupled = cc.CCSD(field).run(conv_tol=1e-9)
    if not coupled.converged:
        return math.nan
    # Without three electrons, or with every orbital of a spin filled as in the atoms of a minimal
    # basis, there are no triples, and PySCF divides by zero.
    if method == "ccsd" or mol.nelectron < 3 or max(mol.nelec) == mol.nao:
        return float(coupled.e_tot)
    return float(coupled.e_tot + coupled.ccsd_t())


def _density_of(field, mol, method) -> list:
    """Lists, which a cache in JSON holds to the last digit."""
    from pyscf import cc, fci

    if _uncorrelated(mol, method):
        density = field.make_rdm1()
    elif method == "fci":
        solver = fci.FCI(field)
        vector = solver.kernel()[1]
        spins = np.stack(solver.make_rdm1s(vector, mol.nao, mol.nelec))
        orbitals = np.broadcast_to(field.mo_coeff, (2, mol.nao, mol.nao))
        density = orbitals @ spins @ orbitals.transpose(0, 2, 1)
        density = density if mol.spin else density.sum(axis=0)
    else:
        coupled = cc.CCSD(field).run(conv_tol=1e-9, conv_tol_normt=1e-7)
        coupled.solve_lambda()
        converged = coupled.converged and coupled.converged_lambda
        density = np.array(coupled.make_rdm1(ao_repr=True)) * (1.0 if converged else math.nan)
    return (np.asarray(density) * (1.0 if field.converged else math.nan)).tolist()


def _mole(job):
    return build_mole(job["atoms"], job["basis"], job["charge"], job["spin"], job["unit"])


def _plain(atoms):
    return [(str(symbol), [float(x) for x in position]) for symbol, position in atoms]


def _file(folder, job):
    content = json.dumps(job, sort_keys=True).encode()
    return folder / f"{hashlib.sha256(content).hexdigest()}.json"


def _read(folder, job) -> float | list | None:
    if folder is None or not _file(folder, job).exists():
        return None
    return json.loads(_file(folder, job).read_text())[job.get("quantity", "energy")]


def _write(folder, job, value):
    # What failed is tried again next time.
    if folder is None or not np.isfinite(value).all():
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = _file(folder, job).with_suffix(f".partial-{os.getpid()}")
    partial.write_text(json.dumps({job.get("quantity", "energy"): value, **job}))
    os.replace(partial, _file(folder, job))
