"""How OpenAPI says what the parts of a form are, where FastAPI does not read the form itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]

FILE: Json = {"type": "string", "format": "binary"}


def form_with(*required: str, **parts: Json) -> Json:
    """What a route takes as `openapi_extra`: a form's parts, and which of them it must have."""
    schema = {"type": "object", "required": list(required), "properties": parts}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def json_of(body: type[BaseModel]) -> Json:
    """A part that holds a body as JSON."""
    reference = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": reference}


VIDEO = form_with("video", video=FILE)
"""A form with one video."""
PHOTO = form_with("image", image=FILE)
"""A form with one photograph."""
