"""Review: one product a screen, answered by keys; and the list of what people said."""
