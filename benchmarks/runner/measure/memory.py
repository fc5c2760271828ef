"""How much memory a program takes: predicted by XLA before it runs, and seen in the process."""

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIB = 2**20


@dataclass(frozen=True)
class ProgramBytes:
    """What XLA plans for one compiled program, in bytes."""

    arguments: int
    outputs: int
    temporary: int

    @property
    def total(self) -> int:
        return self.arguments + self.outputs + self.temporary


def program_bytes(compiled: Any) -> ProgramBytes | None:
    """XLA's plan for `compiled = jax.jit(f).lower(*args).compile()`; `None` if it has none."""
    plan = compiled.memory_analysis()
    if plan is None:
        return None
    return ProgramBytes(
        arguments=int(plan.argument_size_in_bytes),
        outputs=int(plan.output_size_in_bytes),
        temporary=int(plan.temp_size_in_bytes),
    )


def restart_peak() -> bool:
    """Let the peak of resident memory start again from now; False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_resident() -> int:
    """Peak resident memory in bytes since `restart_peak`, or since the process began."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # No /proc on this system: getrusage below knows the peak of the whole process.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_bytes() -> int:
    """Memory that can still be taken, in bytes."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # No /proc on this system: half of what is built in is a safe guess.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
