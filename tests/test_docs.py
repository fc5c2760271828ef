"""Every Python block of docs/ that is ours runs; blocks with a title show another library."""

import pathlib
import re

import jax
import pytest

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "```python\n" in p.read_text())
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(page, steps):
    """The page's own blocks in their order, trained for at most so many steps."""
    source = "\n".join(BLOCK.findall(page.read_text()))
    return re.sub(r"\bsteps=(\d+)", lambda m: f"steps={min(steps, int(m[1]))}", source)


def run(page, steps):
    with jax.numpy_rank_promotion("allow"):  # users have JAX's defaults
        exec(compile(program(page, steps), str(page), "exec"), {"__name__": page.stem})


def test_the_pages_are_found():
    assert {"index", "model", "pde", "dft", "operators", "ntk", "deepxde"} <= {p.stem for p in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_our_code_runs(page):
    run(page, steps=2)
