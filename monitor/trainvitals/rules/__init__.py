"""The rules: one file each, one folder a family. ``registry.py`` lists them, ``contract.py`` tests them."""
