"""Pixels to faces to vectors."""
