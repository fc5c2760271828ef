"""The damped least-squares problem of a second-order step: of all residuals, or of a sketch."""
