"""Does the shop still look like the one that was learned from?"""
