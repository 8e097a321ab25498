"""What the shop looked like in training, and whether it still does."""
