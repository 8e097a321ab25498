"""One module a page; each has a `show(ctx)`."""
