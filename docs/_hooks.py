"""mkdocs: entries of public names, links from names in the text, and the executed notebooks.

A line `names: PACKAGE: NAME ...` becomes the entries of these names. A public name in backticks,
such as `fit`, `dft.scf` or `jsci.pde.Box`, becomes a link to its entry; on a page of no pillar, so
does a bare name that one pillar alone has. The build fails for a public name without an entry of
its own, as a function or a class.
"""

import importlib
import re
import types
from pathlib import Path

import nbconvert
import nbformat
from latex2mathml.converter import convert
from mkdocs.structure.files import File
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "jaxsci",
    "jaxsci.nn",
    "jaxsci.pde",
    "jaxsci.pde.reference",
    "jaxsci.dft",
    "jaxsci.dft.constraints",
    "jaxsci.dft.data",
    "jaxsci.operators",
    "jaxsci.operators.data",
    "jaxsci.operators.metrics",
    "jaxsci.ntk",
    "jaxsci.ntk.infinite",
    "jaxsci.atoms",
    "jaxsci.bayes",
    "jaxsci.analysis",
)
_LINE = re.compile(r"^names: ([\w.]+): ([\w ]+)$", re.MULTILINE)
_ENTRY = re.compile(r'<div class="doc doc-object doc-(?:function|class)">\s*<h\d id="([\w.]+)"')
_FENCED = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?<![\[`])`((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(\(.*?\))?`(?![\]`])")


# Outside of tags: 1e-15, an interval, and a cell that is a time, with the star of a training.
_NUMBER = re.compile(
    r"(?:(?<![\w.#-])\d+(?:\.\d+)?e-\d+\b|\[-?\d[\d.,]*, -?\d[\d.,]*\]"
    r"|(?<=<td>)\d[\d.,]* (?:µs|ms|s|min|h)(?: \*)?(?=</td>))(?![^<>]*>)"
)
# Code, or LaTeX on lines of its own, or within a line.
_LATEX = re.compile(
    r"(```.*?```|~~~.*?~~~|`[^`]*`)|\$\$(.+?)\$\$|(?<!\\)\$(?!\s)([^$\n]+?)(?<![\s\\])\$(?!\d)",
    re.DOTALL,
)


def public_names():
    """Dotted names of the functions and classes that the packages offer."""
    for package in map(importlib.import_module, PACKAGES):
        for name in package.__all__:
            if not isinstance(getattr(package, name), types.ModuleType):
                yield f"{package.__name__}.{name}"


def on_files(files, config):
    """Notebooks as pages, with the outputs and figures that they were committed with."""
    # What one cell prints is one block, also where it was printed in several parts.
    exporter = nbconvert.MarkdownExporter(preprocessors=[CoalesceStreamsPreprocessor])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _LATEX.sub(_mathml, cell.source)
        body, resources = exporter.from_notebook_node(notebook)
        body = body.replace("](output_", f"]({path.stem}/output_")
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=body))
        for name, content in resources["outputs"].items():
            where = f"notebooks/{path.stem}/{name}"
            files.append(File.generated(config, where, content=content))
    return files


def _mathml(match):
    """LaTeX, which Jupyter typesets by itself, for browsers; in a span, since Markdown begins a new
    paragraph where a line begins with `math`.
    """
    code, alone, within = match.groups()
    if code:
        return code
    if alone:
        return f'<span class="latex">{convert(alone, display="block")}</span>'
    return f"<span>{convert(within)}</span>"


def on_page_markdown(markdown, page, **_):
    if page.file.src_uri.startswith("api/"):
        return _LINE.sub(_entries, markdown)
    if page.file.src_uri.startswith("notebooks/"):
        return markdown
    folder, _, name = page.file.src_uri.removesuffix(".md").rpartition("/")
    known = set(public_names())
    bare = {} if folder or f"jaxsci.{name}" in PACKAGES else _unique(known)
    link = lambda match: _link(match, name, known, bare)  # noqa: E731
    parts = _FENCED.split(markdown)
    return "".join(p if p.startswith("```") else _NAME.sub(link, p) for p in parts)


def on_page_content(content, page, **_):
    """Numbers that a line does not break, in the pages that have tables of them."""
    if page.file.src_uri.startswith(("api/", "notebooks/")):
        return content
    return _NUMBER.sub(r'<span class="number">\g<0></span>', content)


def on_post_build(config, **_):
    entries = set()
    for page in Path(config["site_dir"], "api").rglob("*.html"):
        entries |= set(_ENTRY.findall(page.read_text(encoding="utf-8")))
    if missing := sorted(set(public_names()) - entries):
        raise SystemExit(f"Public names without an entry of their own: {', '.join(missing)}")


def _entries(match):
    return "\n\n".join(f"::: {match[1]}.{name}" for name in match[2].split())


def _unique(known):
    """Bare names that belong to one package, with their dotted names."""
    bare = [name.rpartition(".")[2] for name in known]
    return {b: name for b, name in zip(bare, known, strict=True) if bare.count(b) == 1}


def _link(match, pillar, known, bare):
    """The name as a link if it is public: of jaxsci, of a package, or of the page's own pillar."""
    name = match[1].removeprefix("jsci.").removeprefix("jaxsci.")
    for candidate in (f"jaxsci.{pillar}.{name}", f"jaxsci.{name}", bare.get(name)):
        if candidate in known:
            return f"[{match[0]}][{candidate}]"
    return match[0]
