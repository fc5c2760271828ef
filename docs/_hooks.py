"""mkdocs: a line `names: PACKAGE` on a page becomes the entries of all names PACKAGE exports."""

import importlib
import re


def on_page_markdown(markdown, **_):
    return re.sub(r"^names: ([\w.]+)$", _entries, markdown, flags=re.MULTILINE)


def _entries(match):
    package = importlib.import_module(match[1])
    names = [
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("jaxsci.")
    ]
    return "\n\n".join(f"::: {match[1]}.{name}" for name in sorted(names, key=str.lower))
