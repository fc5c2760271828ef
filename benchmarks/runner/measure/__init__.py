"""Measurements: time, memory, throughput, and how long to go on."""
