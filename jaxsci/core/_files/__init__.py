"""Pytrees in files: whole or not there at all, with a readable header."""
