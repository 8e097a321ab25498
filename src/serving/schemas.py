"""Requests and responses of the HTTP service, as its OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from src.serving.prediction import Prediction

MOST_TITLE = 1_000_000
MOST_TOP_K = 100
MOST_NUMBER = 2**63 - 1

Number = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
Language = Literal["fr", "en"]
TopK = Annotated[int, Field(ge=1, le=MOST_TOP_K)]

TITLE = "Harry Potter à l'école des sorciers, tome 1"


class PredictRequest(BaseModel):
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

    designation: str = Field(default="", max_length=MOST_TITLE, description="Title.")
    description: str = Field(default="", max_length=MOST_TITLE, description="Text; may hold HTML.")
    image_base64: str | None = Field(
        default=None, description="A JPEG, PNG or WebP file in base64.", examples=[None]
    )
    productid: Number | None = Field(default=None, description="For the log.", examples=[42])
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
    needs_review: bool = Field(description="The probability is below the review threshold.")
    known: bool = Field(description="The same text and image were in the training data.")
    used_image: bool
    model: str = Field(description="Run that trained the model.")
    snapshot: str = Field(description="Data hash of the rows that it was trained on.")
    synthetic: bool = Field(description="True when those come from the demo shop.")

    @classmethod
    def of(cls, prediction: Prediction) -> PredictResponse:
        """Return the response for a prediction."""
        fields = {name: getattr(prediction, name) for name in cls.model_fields}
        top_k = [CandidateOut(**vars(candidate)) for candidate in prediction.top_k]
        return cls(**{**fields, "top_k": top_k})


class FeedbackRequest(BaseModel):
    """A corrected label; the product is named by its id or by its title."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"designation": TITLE, "prdtypecode": 10, "predicted_code": 2280}]
        },
    )

    prdtypecode: int = Field(ge=-MOST_NUMBER, le=MOST_NUMBER, description="The code that is right.")
    designation: str = Field(default="", max_length=MOST_TITLE)
    productid: Number | None = None
    predicted_code: int | None = Field(default=None, ge=-MOST_NUMBER, le=MOST_NUMBER)
    author: str = Field(default="", max_length=2_000)
    comment: str = Field(default="", max_length=2_000)


class FeedbackResponse(BaseModel):
    """Where the correction is stored."""

    stored_in: Literal["database", "file"]


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


class StatusResponse(BaseModel):
    """Whether the process runs, or can answer."""

    status: Literal["alive", "ready"]


class ErrorResponse(BaseModel):
    """What was wrong."""

    detail: str
    next_command: str | None = Field(default=None, description="For whoever runs the service.")
