"""Drift: the signals of the training products, and how far those of a batch are from them."""
