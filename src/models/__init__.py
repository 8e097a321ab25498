"""Classifiers, their training and their combination; branches are handed in, never built here."""
