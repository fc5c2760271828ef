"""Every test in this folder reproduces a report that a user of some package made in public.

    @pytest.mark.report("pyscf/pyscf#531")
    def test_core_potentials_come_with_a_basis_given_by_element():
        \"\"\"HI, def2 basis by element. Right: PySCF's -297.231526 Hartree, ECP included.\"\"\"

The marker cites the thread, or "jaxsci" for what our own first users met. The docstring says, in
our own words, what was asked and where the right value comes from. The input is small and our own.
"""

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name != "users":
            continue
        marker = item.get_closest_marker("report")
        if marker is None or not marker.args:
            raise pytest.UsageError(f'{item.nodeid}: cite the report, @pytest.mark.report("...").')
        if not getattr(item, "function", None) or not item.function.__doc__:
            raise pytest.UsageError(f"{item.nodeid}: its docstring says what is right, and why.")
