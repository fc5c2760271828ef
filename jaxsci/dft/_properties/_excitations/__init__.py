"""Excited states: the response of a solution to a field that oscillates."""
