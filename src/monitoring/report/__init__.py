"""The drift report as a page, tables and a JSON file."""
