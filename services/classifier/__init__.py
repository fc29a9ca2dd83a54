"""The classifier: says who each face is."""
