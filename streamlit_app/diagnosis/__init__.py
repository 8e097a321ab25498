"""The sections of the diagnostics page, one module each, and what they compute."""
