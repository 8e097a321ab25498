"""Team: who stands behind the platform, and what its words mean."""
