"""The iterations that converge the SCF loop."""
