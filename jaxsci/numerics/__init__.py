"""Numerical methods without physics that more than one pillar uses."""

from ._davidson import lowest_eigenpair as lowest_eigenpair
from ._etdrk4 import etdrk4 as etdrk4
from ._trust_region import trust_region_step as trust_region_step
