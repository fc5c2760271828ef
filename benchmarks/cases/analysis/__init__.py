"""Benchmark cases of analysis."""
