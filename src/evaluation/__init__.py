"""Scores, confusions and explanations: arrays in, values out."""
