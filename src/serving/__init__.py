"""From artifacts to answers: one code path for command line, HTTP service and app."""
