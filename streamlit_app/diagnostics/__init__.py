"""Diagnostics: what the model gets wrong, how sure it is, why, and whether the data has moved."""
