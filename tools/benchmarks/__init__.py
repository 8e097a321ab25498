"""What `tools/benchmark.py` measures: one module a section, each a function that gives figures."""
