"""Products as tables: reading them, checking them, grouping duplicates, splitting them."""
