"""Molecules as arrays: from coordinates or files, one or many."""
