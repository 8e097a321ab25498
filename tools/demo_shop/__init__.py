"""A synthetic shop in the challenge's format: hard in the ways in which the real one is hard.

Read ``catalogue.py`` first: it is the order of events. ``statistics.py`` holds what the shop must
look like, ``vocabulary/`` what it says, ``images.py`` what it shows.
"""
