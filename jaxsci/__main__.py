"""`python -m jaxsci`: versions, devices, precision, and whether this platform computes correctly.

`python -m jaxsci doctor` also computes one small known answer for each pillar, in under a minute.
"""

import argparse
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata

import jax

from . import PlatformReport, check_platform
from ._doctor import CHECKS, conclusion, examine
from .core._run.platform import HIGHEST_LINE

PACKAGES = ("jaxsci", "jax", "jaxlib", "numpy", "equinox", "optax", "optimistix", "lineax")
EXTRAS = {"flax": "flax", "pyscf": "dft", "ase": "ase", "h5py": "files", "matplotlib": "plot"}
_IS_JAX = re.compile(r"jax\b")
X64_LINE = 'jax.config.update("jax_enable_x64", True)'


def describe(report: PlatformReport, *, default_x64: bool) -> str:
    """What is installed, what it runs on, and the verdict, as text.

    **Arguments:**

    - `report`: from `check_platform`.
    - `default_x64`: whether a program that sets nothing computes in float64.
    """
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    devices = ", ".join(f"{d.platform}: {d.device_kind}" for d in jax.devices())
    precision = (
        "float64 by default"
        if default_x64
        else f"float32 by default; for float64 your program begins with {X64_LINE}"
    )
    if report.rounds_products:
        precision += (
            f"; products of float32 matrices have a relative error of {report.product_error:.0e} "
            f"(for all digits: {HIGHEST_LINE})"
        )
    checked = "float32 and float64" if report.x64 else "float32"
    verdict = (
        f"right numbers in {checked}: this XLA passes the programs that some releases miscompile"
        if report.ok
        else "WRONG NUMBERS: " + "; ".join(report.failures)
    )
    lines = {
        "versions": f"Python {platform.python_version()}, {versions}",
        "extras": ", ".join(_extra(name, extra) for name, extra in EXTRAS.items()),
        "devices": devices,
        "precision": precision,
        "verdict": verdict,
    }
    text = "\n".join(f"{name:<10} {value}" for name, value in lines.items())
    if not report.ok:
        allowed = next(line for line in metadata.requires("jaxsci") or () if _IS_JAX.match(line))
        text += f"\nInstall another release: pip install '{allowed}'"
    return text


def _extra(name: str, extra: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} missing (pip install 'jaxsci[{extra}]')"


def main(arguments: Sequence[str] = ()) -> int:
    """Print the description; the exit code is 1 if any number came out wrong."""
    parser = argparse.ArgumentParser("python -m jaxsci", description=__doc__)
    help_of_doctor = "also compute one small known answer for each pillar"
    parser.add_argument("command", nargs="?", choices=["doctor"], help=help_of_doctor)
    command = parser.parse_args(arguments).command
    default_x64 = bool(jax.config.read("jax_enable_x64"))
    # Both precisions are checked: the miscompiled programs differ between them.
    jax.config.update("jax_enable_x64", True)
    report = check_platform()
    print(describe(report, default_x64=default_x64), flush=True)
    return 0 if report.ok and (command != "doctor" or _consult()) else 1


def _consult() -> bool:
    """Print each finding as it comes, then the conclusion; return whether all are right."""
    print("\nKnown answers, computed in float64:", flush=True)
    findings = []
    for check in CHECKS:
        findings.append(examine(check))
        print(findings[-1], flush=True)
    print(conclusion(findings), flush=True)
    return all(finding.ok for finding in findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
