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

from ...core import Failure, attempt, host_memory, in_processes, load, save
from .._basis.integrals import build_mole, import_pyscf

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
    timeout: float | None = None,
    progress: bool = True,
) -> Float[np.ndarray, " molecules"]:
    """Total energies of molecules by a method of wave functions.

    Unrestricted Hartree-Fock is underneath for open shells, restricted for closed ones; all
    electrons are correlated.

    **Arguments:**

    - `molecules`: for each a list of (symbol, position).
    - `basis`: as in `molecule`.
    - `method`: "hf", "ccsd", "ccsd(t)" or "fci" (two electrons, or a handful in a small basis).
    - `charges`, `spins`: of each molecule; zero by default.
    - `unit`: of the positions.
    - `cache`: a folder that keeps every energy, under a hash of all that determines it, the
        numbers of the basis set included; what is there is not computed again, so an interrupted
        run goes on where it was. A file that is damaged, or holds another calculation, is
        computed again with a warning.
    - `workers`: host processes, of one thread each.
    - `timeout`: seconds that one molecule may take, the start of its process included; `None` sets
        no limit. With a limit even one worker is a process.
    - `progress`: show a progress bar once it takes more than two seconds.

    **Returns:** energies in Hartree, NaN where Hartree-Fock or coupled cluster did not converge,
    where the time was up, and where PySCF failed or the molecule's process died twice, for lack of
    memory say: a warning counts and names the last three.

    **Raises:** `ValueError` for an unknown method, lists of different lengths, or an impossible
    molecule.

    ```python
    energies = jsci.dft.reference_energies([h2, water], "def2-svp", cache="references")
    data = jsci.dft.training_batch([molecule(a, "def2-svp") for a in (h2, water)], energies)
    ```
    """
    options = {"charges": charges, "spins": spins, "unit": unit}
    jobs = _jobs("energy", METHODS, method, molecules, basis, options)
    return np.array(_references(jobs, cache, workers, timeout, progress), float)


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
    timeout: float | None = None,
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
    return [np.array(p) for p in _references(jobs, cache, workers, timeout, progress)]


def _jobs(quantity, methods, method, molecules, basis, options):
    """Impossible molecules are named here, not in another process."""
    if method not in methods:
        raise ValueError(f"method is {method!r}; allowed are {', '.join(map(repr, methods))}.")
    import_pyscf()
    n = len(molecules)
    charges, spins = (
        [0] * n if given is None else list(given)
        for given in (options["charges"], options["spins"])
    )
    if not len(charges) == len(spins) == n:
        raise ValueError(f"{n} molecules, {len(charges)} charges and {len(spins)} spins.")
    return [
        _job(quantity, method, build_mole(_plain(a), basis, q, s, options["unit"]))
        for a, q, s in zip(molecules, charges, spins, strict=True)
    ]


def _job(quantity, method, mol) -> dict[str, Any]:
    """All that determines a result, as JSON holds it.

    The basis set stands there in numbers: what a name means may change, above all that of a file.
    """
    molecule = {
        "atom": mol._atom,  # in Bohr
        "basis": mol._basis,
        "ecp": mol._ecp,
        "charge": mol.charge,
        "spin": mol.spin,
    }
    spins = (2,) if mol.spin else ()
    shape = () if quantity == "energy" else (*spins, mol.nao, mol.nao)
    job = {"quantity": quantity, "method": method, "shape": shape, "molecule": molecule}
    return json.loads(json.dumps(job, default=lambda number: number.tolist()))


def _references(jobs, cache, workers, timeout, progress):
    folder = None if cache is None else pathlib.Path(cache)
    known = _cached(folder, jobs)
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
        for i, value in _compute(jobs, missing, workers, timeout):
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


def _compute(jobs, missing, workers, timeout):
    """Pairs of number and value, or failure, as they are done."""
    if timeout is None and (workers == 1 or len(missing) < 2):
        return ((i, attempt(_value, jobs[i])) for i in missing)
    return in_processes(_value, jobs, missing, workers, timeout)


def _value(job: dict[str, Any]) -> float | np.ndarray:
    from pyscf import scf

    mol = _mole(job)
    # In a process whose arrays exceed PySCF's own limit it would work on disk, where the path for
    # a spin without empty orbitals fails.
    mol.max_memory = host_memory() / 1e6
    field = (scf.UHF if mol.spin else scf.RHF)(mol)
    field.conv_tol = 1e-11
    # Left to the garbage collector, PySCF's temporary file warns that it is open.
    with contextlib.closing(field._chkfile):
        of_field = _density_of if job["quantity"] == "density" else _energy_of
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


def _density_of(field, mol, method) -> np.ndarray:
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
    return np.asarray(density) * (1.0 if field.converged else math.nan)


def _mole(job):
    from pyscf import gto

    mol = gto.Mole()
    mol.build(dump_input=False, parse_arg=False, verbose=0, unit="bohr", **job["molecule"])
    return mol


def _plain(atoms):
    return [(str(symbol), [float(x) for x in position]) for symbol, position in atoms]


def _cached(folder, jobs) -> list:
    """The value of each job that the folder holds; `None` for the others."""
    known: list[Any] = [None] * len(jobs)
    unusable = []
    for i, job in enumerate(jobs):
        if folder is not None and (path := _file(folder, job)).exists():
            try:
                known[i] = _read(path, job)
            except (ValueError, TypeError, KeyError):
                unusable.append(str(path))
    if unusable:
        warnings.warn(
            f"{len(unusable)} of the files in the cache are damaged or hold another calculation, "
            f"and are computed again: {', '.join(unusable[:3])}{', ...' * (len(unusable) > 3)}",
            stacklevel=4,
        )
    return known


def _digest(job) -> bytes:
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).digest()


def _file(folder, job):
    return folder / f"{_digest(job).hex()}.jsci"


def _content(job, value) -> dict[str, np.ndarray]:
    """A file says for which job it is: it may have been renamed or copied."""
    return {"job": np.frombuffer(_digest(job), np.uint8), "value": np.asarray(value, float)}


def _read(path, job) -> np.ndarray:
    like = _content(job, np.zeros(job["shape"]))
    found = load(path, like)
    if not np.array_equal(found["job"], like["job"]):
        raise ValueError(f"{path} holds another calculation.")
    return found["value"]


def _write(folder, job, value):
    # What failed is tried again next time.
    if folder is None or not np.isfinite(value).all():
        return
    folder.mkdir(parents=True, exist_ok=True)
    save(_file(folder, job), _content(job, value), metadata=job)
