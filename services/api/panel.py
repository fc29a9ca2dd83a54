"""The admin panel: built files, and its first page for every address that is the panel's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from usher.domain.errors import NotFound

_NOT_BUILT = "The panel is not built: run `make setup`, or use the API below /api/v1."
_UNCACHED = {"Cache-Control": "no-cache"}


class _Assets(StaticFiles):
    """Files whose names change with their contents."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def serve_panel(app: FastAPI, directory: Path) -> None:
    """Serve the built panel at `/`, on the API's own origin.

    Assets carry a hash in their names and are cached for ever; the first page never is.
    """
    assets = directory / "assets"
    if assets.is_dir():
        app.mount("/assets", _Assets(directory=assets), name="assets")

    top = {item.name: item for item in directory.glob("*") if item.is_file()}

    @app.get("/{path:path}", include_in_schema=False)
    async def page(path: str, request: Request) -> Response:
        if path.startswith("api/"):
            raise NotFound(f"there is nothing at {request.url.path}")
        if not top:
            return PlainTextResponse(_NOT_BUILT, 404)
        return FileResponse(top.get(path, directory / "index.html"), headers=_UNCACHED)
