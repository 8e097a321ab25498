"""Exploration: the catalogue that the model learns from."""
