"""Python blocks of README and docs/ that are ours run; those with a title show another library."""

import ast
import inspect
import pathlib
import re
import runpy
import types
import xml.etree.ElementTree as ElementTree

import jax
import pytest

import jaxsci

README = pathlib.Path(__file__).parents[1] / "README.md"
DOCS = pathlib.Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHERS = re.compile(r'^```python title="(.*?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = [p for p in (README, *sorted(DOCS.rglob("*.md"))) if BLOCK.search(p.read_text())]
FORMULAS = runpy.run_path(str(DOCS / "_formulas.py"))  # the hook of mkdocs that typesets them
# A minute or two each, of compilation.
SCRIPTS = "scripts"  # run with their files and judged in tests/users/test_newcomers.py
LONG, SLOW = {"dft", "examples", "atoms", "operators", "pde", "your_own_data"}, pytest.mark.slow
STARTS = {"jsci": jaxsci, "infinite": jaxsci.ntk.infinite}


def program(page, steps):
    """The page's own blocks in their order, trained for at most so many steps."""
    source = "\n".join(BLOCK.findall(page.read_text()))
    return re.sub(r"\bsteps=(\d+)", lambda m: f"steps={min(steps, int(m[1]))}", source)


def named(node):
    """The object that a chain of names such as jsci.pde.Box means, None for other expressions."""
    if isinstance(node, ast.Name):
        return STARTS.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := named(node.value)) is not None:
        return getattr(owner, node.attr)
    return None


@pytest.mark.parametrize("page", sorted(DOCS.glob("coming_from/*.md")), ids=lambda p: p.stem)
def test_code_of_other_libraries_is_python_and_beside_ours(page):
    blocks = OTHERS.findall(page.read_text())
    assert blocks and BLOCK.search(page.read_text())
    for library, source in blocks:
        compile(source, f"{page.name}: {library}", "exec")


def test_the_pages_are_found():
    assert {"index", "model", "pde", "dft", "operators", "ntk"} <= {p.stem for p in PAGES}


@pytest.mark.parametrize(
    ("formula", "shown", "elements"),
    [
        ("e_xc(θ) = e_x^LDA f(θ, ρ²)", "exc(θ)=exLDAf(θ,ρ2)", {"msub", "msubsup", "msup"}),
        ("½ Σᵢ wᵢ x̂ᵢ⁻¹ dE/dR", "12Σiwix̂i\N{MINUS SIGN}1dE/dR", {"mfrac", "msub", "msubsup"}),
        ("√((1 + 2 q₁) q) <= tr K^(4/3)", "(1+2q1)q≤trK4/3", {"msqrt", "msub", "msup"}),
        ("x in [0, 1), `before` -> ‖v‖₁", "xin[0,1),before→‖v‖1", {"msub"}),
    ],
)
def test_formulas_keep_every_character(formula, shown, elements):
    found = ElementTree.fromstring(FORMULAS["mathml"](formula))
    assert re.sub(r"\s", "", "".join(found.itertext())) == shown
    assert {x.tag for x in found.iter()} - {"math", "mrow", "mi", "mn", "mo", "mtext"} == elements


def test_code_beside_formulas_stays_code():
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="api/core.md"))
    block = '<div class="highlight"><pre><span></span><code>{}\n</code></pre></div>'
    code, formula = block.format('<span class="n">x</span>'), block.format("δ = -η g")
    content = FORMULAS["on_page_content"](code + formula, page)
    assert content.startswith(code) and content.endswith("</math></p></div>")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_names_and_options_exist(page):
    calls = 0
    for node in ast.walk(ast.parse(program(page, 1))):
        function = named(node.func) if isinstance(node, ast.Call) else named(node)
        if isinstance(node, ast.Call) and function is not None:
            options = {keyword.arg: None for keyword in node.keywords if keyword.arg}
            inspect.signature(function).bind_partial(**options)
            calls += 1
    assert calls > 0


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=SLOW if p.stem in LONG else (), id=p.stem)
        for p in PAGES
        if p.stem != SCRIPTS
    ],
)
def test_our_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for the files that it writes
    with jax.numpy_rank_promotion("allow"):  # users have JAX's defaults
        exec(compile(program(page, 2), str(page), "exec"), {"__name__": page.stem})
