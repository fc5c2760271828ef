"""Bases in which an `FNO` expands fields: one file per family."""
