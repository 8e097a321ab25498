"""What the HTTP service takes and gives, as its OpenAPI document shows it, and how it is read."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal, TypeVar

from fastapi import HTTPException, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from src.data.corrections import Correction, UtcTime, author_name
from src.serving.predictor import Prediction

JSON = "application/json"
MULTIPART = "multipart/form-data"

MOST_TITLE = 1_000_000
MOST_TOP_K = 100
MOST_NUMBER = 2**63 - 1

Number = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
Code = Annotated[int, Field(ge=-MOST_NUMBER, le=MOST_NUMBER)]
Language = Literal["fr", "en"]
Form = Literal["csv", "excel"]
TopK = Annotated[int, Field(ge=1, le=MOST_TOP_K)]

Anybody = Annotated[str, AfterValidator(author_name), Field(max_length=2_000, description="Who.")]
Author = Annotated[Anybody, Field(min_length=1)]

TITLE = "Harry Potter à l'école des sorciers, tome 1"


class ProductRequest(BaseModel):
    """What is known of one product."""

    designation: str = Field(default="", max_length=MOST_TITLE, description="Title.")
    description: str = Field(default="", max_length=MOST_TITLE, description="Text; may hold HTML.")
    image_base64: str | None = Field(
        default=None, description="A JPEG, PNG or WebP file in base64.", examples=[None]
    )
    productid: Number | None = Field(
        default=None, description="Its number, where it has one.", examples=[42]
    )


class PredictRequest(ProductRequest):
    """One product."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"designation": TITLE, "top_k": 3, "language": "fr"},
                {"designation": TITLE, "description": "<p>Édition de poche</p>", "productid": 42},
            ]
        },
    )

    top_k: TopK = Field(default=3, description="Number of candidates.")
    language: Language = Field(default="en", description="Of the labels.")


class CandidateOut(BaseModel):
    """One of the likeliest classes."""

    code: int = Field(description="prdtypecode")
    label: str
    probability: float = Field(description="Calibrated, 0 to 1.")


class PredictResponse(BaseModel):
    """The answer for one product."""

    code: int
    label: str
    probability: float
    top_k: list[CandidateOut]
    needs_review: bool = Field(description="The probability is low, or there is a reason.")
    review_reason: list[str] = Field(description="How it differs from all that training saw.")
    known: bool = Field(description="The same text and image were in the training data.")
    used_text: bool
    used_image: bool
    model: str = Field(description="Run that trained the model.")
    snapshot: str = Field(description="Data hash of the rows that it was trained on.")
    synthetic: bool = Field(description="True when those come from the demo shop.")

    @classmethod
    def of(cls, prediction: Prediction) -> PredictResponse:
        """Return the response for a prediction."""
        names = tuple(CandidateOut.model_fields)
        top_k = [dict(zip(names, found, strict=True)) for found in prediction.top_k]
        return cls.model_validate({**vars(prediction), "top_k": top_k})


class ExplainRequest(PredictRequest):
    """One product, and the class to explain."""

    code: Code | None = Field(default=None, description="None: the likeliest.")


Asked = TypeVar("Asked", bound=ProductRequest)


class TermOut(BaseModel):
    """A word or n-gram of the product."""

    text: str
    contribution: float = Field(description="What it adds to the class's margin.")


class ExplainResponse(BaseModel):
    """What spoke for and against one class."""

    code: int
    label: str
    margin: float = Field(description="The base and the sum of the branches.")
    base: float
    branches: dict[str, float] = Field(description="What each branch adds to the margin.")
    weights: dict[str, float] = Field(description="Of the experts; 0 for one without input.")
    terms_for: list[TermOut]
    terms_against: list[TermOut]
    heat_map_base64: str | None = Field(description="A PNG: where in the image the class is seen.")


class SimilarRequest(PredictRequest):
    """One product, and how many training products to compare it with."""

    top_k: TopK = Field(default=5, description="Number of training products.")


class SimilarOut(BaseModel):
    """A training product."""

    productid: int
    designation: str
    image: str = Field(description='Name of its image\'s file, or "".')
    code: int = Field(description="prdtypecode that the model learned.")
    label: str
    official_code: int = Field(description="Another where people corrected it.")
    similarity: float = Field(description="Mean cosine over the experts, above 0.")
    by_expert: dict[str, float] = Field(description="Cosine of what each expert reads.")
    same: bool = Field(description="It has the same text and image.")


class SimilarResponse(BaseModel):
    """The training products that a product is most like, nearest first."""

    similar: list[SimilarOut]
    reason: Literal["", "not_kept", "nothing_alike"] = Field(description="Why there are none.")


class FeedbackRequest(ProductRequest):
    """A corrected label; the product is named by its id, or else by its text and image."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"designation": TITLE, "prdtypecode": 10, "predicted_code": 2280, "author": "Ana"},
                {"productid": 42, "prdtypecode": 10, "author": "Ana", "comment": "a book"},
            ]
        },
    )

    prdtypecode: Code = Field(description="The code that is right.")
    predicted_code: Code | None = Field(default=None, description="What /predict answered.")
    probability: float | None = Field(default=None, ge=0, le=1, description="Of that answer.")
    run_id: str = Field(default="", max_length=2_000, description="Its `model`.")
    author: Anybody = ""
    comment: str = Field(default="", max_length=2_000)


class FeedbackQuery(BaseModel):
    """Which corrections are asked for; what is left out takes any."""

    model_config = ConfigDict(extra="forbid")

    author: Anybody | None = None
    source: Literal["app", "review", "batch", "api"] | None = None
    code: Code | None = Field(default=None, description="Class that they give.")
    productid: Number | None = None
    since: UtcTime | None = Field(default=None, description="Given at that time or later.")
    current: bool = Field(default=True, description="What counts now; false: all that was said.")
    page: int = Field(default=1, ge=1, le=MOST_NUMBER)
    size: int = Field(default=100, ge=1, le=10_000, description="Corrections a page.")
    form: Literal["json", "csv"] = Field(default="json", alias="format")


class FeedbackPage(BaseModel):
    """Corrections, the earliest first."""

    total: int = Field(description="On all pages.")
    corrections: list[Correction]


class ReviewOut(BaseModel):
    """A product that waits for a person's word, leased to who asked."""

    product: str = Field(description="Its name in the queue: POST /review/{product} answers.")
    source: Literal["answer", "label", "drift", "service"] = Field(description="Why it is here.")
    reason: str = Field(description="What the drift report or the service say beside that.")
    productid: int | None
    designation: str
    description: str
    image_base64: str | None = Field(description="The file as it is.")
    code: int | None = Field(description="prdtypecode that is likely right.")
    probability: float | None
    official_code: int | None = Field(description="Label until now.")
    priority: float = Field(description="Expected gain.")
    waiting: int = Field(description="Products of which nobody has said the class.")


class ReviewRequest(BaseModel):
    """What a person says of a product of the review queue: its class, or that it is skipped."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"author": "Ana", "code": 10}, {"author": "Ana", "skip": True}]
        },
    )

    author: Author
    code: Code | None = None
    skip: bool = False


class ClassOut(BaseModel):
    """A class that the model knows."""

    code: int
    label_fr: str
    label_en: str


class ModelResponse(BaseModel):
    """The served model."""

    kind: str
    run_id: str
    snapshot: str
    synthetic: bool
    sees_images: bool
    threshold: float = Field(description="Below this probability an answer needs review.")
    classes: list[ClassOut]


class ErrorResponse(BaseModel):
    """What was wrong."""

    detail: str


def product_body(schema: type[ProductRequest]) -> dict[str, Any]:
    """Return what OpenAPI says of a product as JSON or as a form with a file."""
    whole = schema.model_json_schema()
    fields = {k: v for k, v in whole["properties"].items() if k != "image_base64"}
    image = {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP file."}
    form = {"type": "object", "properties": {**fields, "image": image}}
    content = {JSON: {"schema": whole}, MULTIPART: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


async def read_product(request: Request, schema: type[Asked]) -> tuple[Asked, bytes | None]:
    """Return what was asked, and the bytes of the image as they came.

    Another kind of body is answered with 415, one that is not as the schema says with 422.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == JSON:
        asked = _validated(schema, await request.body())
        return asked, None if asked.image_base64 is None else _from_base64(asked.image_base64)
    if kind == MULTIPART:
        return await _from_form(request, schema)
    raise HTTPException(415, f"content type {kind!r}: expected {JSON} or {MULTIPART}")


def _validated(schema: type[Asked], body: bytes | dict[str, Any]) -> Asked:
    """Check a body; the message names fields, never what was sent."""
    try:
        if isinstance(body, bytes):
            return schema.model_validate_json(body)
        return schema.model_validate(body)
    except ValidationError as e:
        faults = e.errors(include_url=False, include_input=False, include_context=False)
        raise HTTPException(422, describe(faults)) from e


def describe(faults: Any) -> str:  # noqa: ANN401  pydantic's own list of errors
    """Return the faults of a body on one line.

    >>> describe([{"loc": ("body", "top_k"), "msg": "Input should be less than or equal to 100"}])
    'body.top_k: Input should be less than or equal to 100'
    """
    lines = [f"{'.'.join(map(str, f['loc'])) or 'body'}: {f['msg']}" for f in faults[:5]]
    return "; ".join(lines).encode("utf-8", "replace").decode()[:1_000]


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise HTTPException(422, f"image_base64: {e}") from e


async def _from_form(request: Request, schema: type[Asked]) -> tuple[Asked, bytes | None]:
    async with request.form(max_files=1, max_fields=16) as form:
        image = form.get("image")
        data = await image.read() if isinstance(image, UploadFile) else None
        fields = {name: value for name, value in form.items() if name != "image"}
    if image is not None and data is None:
        raise HTTPException(422, "image: expected a file, found a text field")
    if any(isinstance(value, UploadFile) for value in fields.values()):
        raise HTTPException(422, "only the field 'image' may be a file")
    if "image_base64" in fields:
        raise HTTPException(422, "image_base64: a form has its image in the field 'image'")
    return _validated(schema, fields), data or None
