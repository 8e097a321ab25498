"""Word and character n-grams, and their reduction."""
