"""Where parameters enter a program, and J Jᵀ contracted there."""
