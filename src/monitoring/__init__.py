"""Tells whether the shop still looks like the one that was learned from."""
