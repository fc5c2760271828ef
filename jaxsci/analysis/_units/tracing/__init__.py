"""Which axes of a traced program are one axis, and which of them may be permuted."""
