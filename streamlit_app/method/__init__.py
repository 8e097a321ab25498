"""Method: how the answer comes about, and what each piece of it is worth."""
