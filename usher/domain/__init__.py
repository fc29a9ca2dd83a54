"""Records and rules of Usher, free of storage, pixels and the web."""
