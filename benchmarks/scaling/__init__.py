"""`python -m benchmarks --scaling`: one problem a pillar over 1, 2, 4 and 8 devices."""
