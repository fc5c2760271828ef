"""Every parameter and result of what users call has a type."""

import inspect

import pytest
from public import packages

PUBLIC = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in packages()
    for name in package.__all__
    if not inspect.ismodule(getattr(package, name))
}


def functions(value):
    """Itself, or the methods of a class that are ours and public; properties by their getters."""
    if inspect.isfunction(value):
        yield value
    elif inspect.isclass(value):
        for name, member in inspect.getmembers(value):
            member = member.fget if isinstance(member, property) else member
            ours = str(getattr(member, "__module__", "")).startswith("jaxsci.")
            public = not name.startswith("_") or name in ("__init__", "__call__")
            if ours and public and (inspect.isfunction(member) or inspect.ismethod(member)):
                yield member


def without_type(function):
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls"):
            yield parameter.name
    if signature.return_annotation is signature.empty and function.__name__ != "__init__":
        yield "what it returns"


@pytest.mark.parametrize("name", PUBLIC)
def test_is_annotated(name):
    missing = {f.__name__: list(without_type(f)) for f in functions(PUBLIC[name])}
    assert {f: names for f, names in missing.items() if names} == {}


def test_methods_are_looked_at():
    names = {f.__name__ for f in functions(PUBLIC["jaxsci.nn.MLP"])}
    assert {"__init__", "__call__"} <= names
