"""Usher: face recognition for the cameras of a place."""

__version__ = "0.1.0"
