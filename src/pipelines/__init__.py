"""Recipes: which extractor and which estimator make a branch, and how branches become a model."""
