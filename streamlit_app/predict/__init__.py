"""Predict: one product or a file of them, why, and a correction where the answer is wrong."""
