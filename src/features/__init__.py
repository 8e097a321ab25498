"""Extractors and transformers; they know no configuration, no registry and no file name."""
