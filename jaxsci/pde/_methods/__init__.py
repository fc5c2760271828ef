"""Methods on top of residuals: eigenproblems, variational forms, weights, uncertainty."""
