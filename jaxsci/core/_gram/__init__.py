"""J Jᵀ of any pure function, without J where the program allows it."""
