"""The commands of ``python -m tutorial``, a module for each."""
