"""Other packages on the same problems: how to install them, and their runs."""

import os
import shlex
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .case import Case, Peer
from .curves import Curve, best, seconds_to, split_curves
from .measure.program import Program, compile_program, host_program
from .measure.timing import interleave, ratio
from .optional import missing_package
from .result import Against, CaseResult, PeerResult
from .session import Session

NEAR = 0.1


def installed(peer: Peer) -> bool:
    """Whether the peer can be imported, here or by the interpreter of its own; does not do so."""
    if peer.interpreter:
        return Path(os.environ.get(peer.interpreter, "")).is_file()
    return find_spec((peer.module or peer.name).partition(".")[0]) is not None


def explain(cases: Iterable[Case]) -> str:
    """How to install the peers of these cases, with the ones that need their own environment."""
    peers = {peer.name: peer for case in cases for peer in case.peers}
    if not peers:
        return "No case chosen has a peer."
    lines = ["Peers are other packages on the same problems. Here:"]
    here = [peer.name for peer in peers.values() if installed(peer)]
    lines += [f"  {name}: installed" for name in here]
    lacking: dict[tuple[str, ...], list[str]] = {}
    for peer in peers.values():  # several peers may be one package
        if peer.name not in here:
            lacking.setdefault(installation(peer), []).append(peer.name)
    for commands, names in lacking.items():
        lines += [f"  {'; '.join(names)}: not installed", *(f"    {line}" for line in commands)]
    lines.append("Only times from one run can be compared: a peer not installed has no row.")
    return "\n".join(lines)


def installation(peer: Peer) -> tuple[str, ...]:
    """The commands that install a peer."""
    install = shlex.join(shlex.split(peer.install))
    if not peer.interpreter:
        return (f"pip install {install}",)
    name = peer.interpreter.removesuffix("_PYTHON").lower().replace("_", "-")
    folder = f"../{name}-environment"
    package = [f"{folder}/bin/pip install --no-deps {install}"]
    if install.startswith("https://"):  # no package: its modules are put on the path
        address, revision = install.split("@")
        site = f"$({folder}/bin/python -c 'import site; print(site.getsitepackages()[0])')"
        package = [
            f"git clone {address} {folder}/source",
            f"git -C {folder}/source checkout {revision}",
            f"realpath {folder}/source > {site}/source.pth",
        ]
    return (
        "its pins clash with ours: give it an environment of its own,",
        f"python -m venv {folder}",
        f"{folder}/bin/pip install {shlex.join(shlex.split(peer.beside))}",
        *package,
        f"export {peer.interpreter}=$(realpath -s {folder}/bin/python)",
    )


def run_peer(
    case: Case, peer: Peer, ours: Program, found: CaseResult, session: Session
) -> PeerResult:
    """Check the peer's error, then time it in turn with our program.

    A host case is not run again: what was `found` stands. Where both are trainings with a curve,
    it is the time to the smallest error of the peer's that is compared.
    """
    if not installed(peer):
        hint = f"set {peer.interpreter}" if peer.interpreter else f"pip install {peer.install}"
        return PeerResult(peer.name, "skipped", f"not installed: {hint}", None)
    session.say(f"peer {peer.name}")
    try:
        run = peer.make(session.size)
        make_program = host_program if run.host else compile_program
        program = make_program(run.step, run.args)
        start = session.clock()
        output, curves = split_curves(program())
        first = session.clock() - start
        error = float(run.error(output))
    except Exception as problem:
        if missing := missing_package(problem):
            return PeerResult(peer.name, "skipped", f"needs {missing}", None)
        return PeerResult(peer.name, "failed", f"{type(problem).__name__}: {problem}", None)
    if curves and found.curves:
        return race(peer.name, curves, found.curves)
    if not error <= case.tolerance:
        text = f"{case.error_name} {error:.1e} above {case.tolerance:.1e}"
        return PeerResult(peer.name, "wrong", text, None)
    if found.host:
        assert found.seconds is not None
        against = Against(peer.name, first, ratio((found.seconds,), (first,)), error)
    else:
        pairs = interleave(
            ours,
            program,
            pairs=session.budget.pairs,
            seconds=session.budget.pair_seconds,
            clock=session.clock,
        )
        against = Against(peer.name, float(np.median(pairs.b)), pairs.ratio, error)
    return PeerResult(peer.name, "ok", "", against)


def race(name: str, theirs: Mapping[str, Curve], ours: Mapping[str, Curve]) -> PeerResult:
    """The peer's time to its smallest error, against that of each of our runs to the same error.

    Of a peer that comes nowhere near the solution there is nothing to be timed.
    """
    seconds, error = best(theirs)
    if not error <= NEAR:
        return PeerResult(name, "wrong", f"its smallest error is {error:.1e}", None)
    reached = [s for curve in ours.values() if (s := seconds_to(curve, error)) is not None]
    if len(reached) < len(ours):
        text = f"{len(reached)} of our {len(ours)} runs reach its {error:.1e} of {seconds:.3g} s"
        return PeerResult(name, "ok", text, None)
    against = Against(name, seconds, ratio(tuple(reached), (seconds,) * len(reached)), error)
    text = f"ours to its error: {', '.join(f'{s:.3g}' for s in reached)} s"
    return PeerResult(name, "ok", text, against)
