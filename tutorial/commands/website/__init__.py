"""What only the website has: Sphinx's configuration, the pages that are no notebooks, the style."""
