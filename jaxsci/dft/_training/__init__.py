"""Reference data, samples, residuals and early stopping for training functionals."""
