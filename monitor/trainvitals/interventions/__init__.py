"""What to try, one suggestion a file. ``registry.py`` lists them."""
