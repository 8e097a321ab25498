"""The five stages: each one function from a frozen value to the next, in the runner's order."""
