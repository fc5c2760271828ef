"""What many noisy observations have in common: labels, factors, blocks."""
