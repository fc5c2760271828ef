"""The tables inside Markdown pages, filled from kept reports.

A page marks where a table goes, and may restrict it to cases or pillars:

    <!-- table: quick-amd-epyc dft.water ntk -->
    <!-- end of table -->
"""

import json
import re
from pathlib import Path

from .table import table

_BLOCK = re.compile(
    r"^(<!-- table: (\S+)((?: \S+)*) -->)\n.*?^(<!-- end of table -->)$", re.MULTILINE | re.DOTALL
)


def filled(page: str, results: Path) -> str:
    """The page with each marked table made anew from `results`/NAME.json."""

    def made(match: re.Match[str]) -> str:
        report = json.loads((results / f"{match[2]}.json").read_text(encoding="utf-8"))
        return f"{match[1]}\n\n{table(report, match[3].split())}\n\n{match[4]}"

    return _BLOCK.sub(made, page)


def fill(root: Path) -> list[Path]:
    """Rewrite the tables of README and docs below `root`; the pages that changed."""
    changed = []
    for path in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        page = path.read_text(encoding="utf-8")
        new = filled(page, root / "benchmarks" / "results")
        if new != page:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed
