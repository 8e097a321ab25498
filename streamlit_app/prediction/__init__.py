"""The parts of the prediction page: one product, a file, why, corrections."""
