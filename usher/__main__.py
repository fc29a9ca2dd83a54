"""`python -m usher`."""

from usher.cli import app

app()
