"""The REST API, and the admin panel beside it."""
