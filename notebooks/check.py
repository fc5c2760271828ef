"""Notebooks are kept as a fresh kernel ran them from top to bottom: `python notebooks/check.py`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

METADATA = {"kernelspec", "language_info"}


def problems(path: Path) -> Iterator[str]:
    """What in this notebook is not as it should be kept."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if [cell["execution_count"] for cell in code] != list(range(1, len(code) + 1)):
        yield "not run once from top to bottom: restart the kernel and run all cells"
    outputs = [output for cell in code for output in cell["outputs"]]
    if not outputs:
        yield "has no output"
    if any(output["output_type"] == "error" for output in outputs):
        yield "has a cell that failed"
    if any(output.get("name") == "stderr" for output in outputs):
        yield "shows warnings or a progress bar (stderr)"
    if any(_text(output).startswith("<matplotlib") for output in outputs):
        yield "shows what a plot returns: end that line with a semicolon"
    if extra := set(notebook["metadata"]) - METADATA:
        yield f"carries the editor's metadata: {', '.join(sorted(extra))}"


def _text(output: dict) -> str:
    """What an output says in words; empty for a picture."""
    data = output.get("data", {})
    return "" if "image/png" in data else "".join(data.get("text/plain", ""))


def main(paths: list[Path]) -> int:
    """Print every problem; the exit code is 1 if there is one."""
    found = [f"{path}: {problem}" for path in paths for problem in problems(path)]
    print("\n".join(found) or f"{len(paths)} notebooks are as they should be kept")
    return int(bool(found))


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    sys.exit(main(given or sorted(Path(__file__).parent.glob("*.ipynb"))))
