"""Command line helpers; each module is one tool, ``demo_shop`` the package behind one of them."""
