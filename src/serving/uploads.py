"""A request body turned into a product: JSON or multipart, and pictures that are pictures."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fastapi import HTTPException, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from src.data.image_decode import ImageFault, decode_image
from src.files import encodable
from src.serving.schemas import PredictRequest

JSON = "application/json"
MULTIPART = "multipart/form-data"
# What browsers send and shops hold. Other formats that the decoder knows stay outside.
_SIGNATURES = ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBP", 8))
_CHECK_SIDE_PX = 64


async def read_predict_request(request: Request) -> tuple[PredictRequest, bytes | None]:
    """Return what was asked, and the bytes of the picture as they came.

    Raises
    ------
    HTTPException
        415 for another kind of body, 422 for one that is not as the schema says.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == JSON:
        asked = validated(await request.body())
        return asked, None if asked.image_base64 is None else _from_base64(asked.image_base64)
    if kind == MULTIPART:
        return await _from_form(request)
    raise HTTPException(415, f"content type {kind!r}: expected {JSON} or {MULTIPART}")


def validated(body: bytes | dict[str, Any]) -> PredictRequest:
    """Check a body against the schema; the message names fields, never what was sent."""
    try:
        if isinstance(body, bytes):
            return PredictRequest.model_validate_json(body)
        return PredictRequest.model_validate(body)
    except ValidationError as e:
        faults = e.errors(include_url=False, include_input=False, include_context=False)
        raise HTTPException(422, describe(faults)) from e


def describe(faults: Any) -> str:  # noqa: ANN401  pydantic's own list of errors
    """Return the faults of a body on one line.

    >>> describe([{"loc": ("body", "top_k"), "msg": "Input should be less than or equal to 100"}])
    'body.top_k: Input should be less than or equal to 100'
    """
    lines = [f"{'.'.join(map(str, f['loc'])) or 'body'}: {f['msg']}" for f in faults[:5]]
    return encodable("; ".join(lines))[:1_000]


def check_image(data: bytes, max_pixels: int) -> bytes:
    """Return a picture's bytes once it is known that they can be decoded.

    Raises
    ------
    HTTPException
        413 for too many pixels, 422 for anything that is no sound JPEG, PNG or WebP.
    """
    if not any(data[at : at + len(sign)] == sign for sign, at in _SIGNATURES):
        raise HTTPException(422, "image: expected a JPEG, PNG or WebP file")
    try:
        decode_image(data, min_side_px=_CHECK_SIDE_PX, max_pixels=max_pixels)
    except ImageFault as e:
        status = 413 if e.reason == "too_large" else 422
        raise HTTPException(status, f"image: {e.message}") from e
    return data


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise HTTPException(422, f"image_base64: {e}") from e


async def _from_form(request: Request) -> tuple[PredictRequest, bytes | None]:
    async with request.form(max_files=1, max_fields=8) as form:
        image = form.get("image")
        data = await image.read() if isinstance(image, UploadFile) else None
        fields = {name: value for name, value in form.items() if name != "image"}
    if image is not None and data is None:
        raise HTTPException(422, "image: expected a file, found a text field")
    if any(isinstance(value, UploadFile) for value in fields.values()):
        raise HTTPException(422, "only the field 'image' may be a file")
    return validated(fields), data or None
