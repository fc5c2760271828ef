"""Networks of any set of variables on a sphere."""
