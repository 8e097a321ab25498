"""The HTTP service: one product, a CSV of them, corrections, and what an operator needs.

`create_app` puts it together from parts that are handed in; `scripts/serve_api.py` makes them and
runs it. Every request passes `RequestGuard` first. Wrong input is answered with 4xx and a
sentence; 503 says that no model is served.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST

from src.data.csv_files import NO_ID
from src.data.image_decode import TOO_LARGE, ImageFault
from src.data.readers import ProductReader
from src.errors import FileFault, ProjectError, UsageError
from src.files import encodable
from src.serving import feedback
from src.serving.answers import answers_header, answers_rows
from src.serving.metrics import Metrics
from src.serving.prediction_log import Answered, PredictionLog
from src.serving.predictor import Product
from src.serving.request_guard import KEY_HEADER, RequestGuard, RequestLimits
from src.serving.schemas import (
    ClassOut,
    ErrorResponse,
    FeedbackRequest,
    Language,
    ModelResponse,
    PredictRequest,
    PredictResponse,
    TopK,
    describe,
    read_predict_request,
)
from src.serving.served_model import ServedModel
from src.serving.uploads import check_image

CSV_TYPES = ("text/csv", "application/csv", "application/octet-stream")


@dataclasses.dataclass(frozen=True)
class Services:
    """What the application works with."""

    model: ServedModel
    log: PredictionLog
    feedback_file: Path  # where corrections go without a database
    database_url: str
    codes: Collection[int]  # that a correction may name
    limits: RequestLimits = RequestLimits()
    api_key: str = ""  # "" lets everybody in
    metrics: Metrics = dataclasses.field(default_factory=Metrics)

    def keep(self, answered: Answered, productids: list[int | None]) -> None:
        """Count answers and queue them for the log."""
        self.metrics.count_predictions(answered[0])
        self.log.put(answered, productids)


def create_app(services: Services) -> FastAPI:
    """Return the application."""
    wrong: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorResponse} for status in (400, 401, 408, 413, 415, 422, 503)
    }
    app = FastAPI(
        title="Product classifier",
        description="From a product's title, description and picture to its category.",
        version="1",
        responses=wrong,
        dependencies=[Depends(APIKeyHeader(name=KEY_HEADER, auto_error=False))],
        redoc_url=None,
    )
    app.add_middleware(
        RequestGuard,
        limits=services.limits,
        api_key=services.api_key,
        count=services.metrics.count_request,
    )
    app.add_exception_handler(ProjectError, _answer_project_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    _add_operations(app, services)
    _add_predict(app, services)
    _add_batch(app, services)
    _add_feedback(app, services)
    return app


def _add_operations(app: FastAPI, services: Services) -> None:
    @app.get("/health", summary="Is the process alive?")
    def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", summary="Is a model served?")
    def ready() -> dict[str, str]:
        services.model.get()
        return {"status": "ready"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    def metrics() -> Response:
        log, drift = services.log, services.model.drift()
        text = services.metrics.text(written=log.written, lost=log.lost, drift=drift)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    @app.get("/model", summary="What answers")
    def model() -> ModelResponse:
        predictor = services.model.get()
        pipeline = predictor.pipeline
        names = {code: pipeline.labels.get(code, {}) for code in pipeline.model.classes_.tolist()}
        return ModelResponse(
            kind=pipeline.kind,
            run_id=pipeline.run_id,
            snapshot=pipeline.data_hash,
            synthetic=pipeline.synthetic,
            sees_images=predictor.sees_images,
            threshold=pipeline.threshold,
            classes=[
                ClassOut(code=c, label_fr=n.get("fr", str(c)), label_en=n.get("en", str(c)))
                for c, n in names.items()
            ],
        )


def _check_image(data: bytes, max_pixels: int) -> None:
    try:
        check_image(data, max_pixels)
    except ImageFault as e:
        raise HTTPException(413 if e.reason == TOO_LARGE else 422, f"image: {e.message}") from e


def _add_predict(app: FastAPI, services: Services) -> None:
    def answer(asked: PredictRequest, image: bytes | None) -> PredictResponse:
        predictor = services.model.get()
        if image is not None:
            _check_image(image, services.limits.image_pixels)
        product = Product(asked.designation, asked.description, image)
        answered = predictor.answer([product], top_k=asked.top_k, language=asked.language)
        services.keep(answered, [asked.productid])
        return PredictResponse.of(answered[0][0])

    schema = PredictRequest.model_json_schema()
    fields = {k: v for k, v in schema["properties"].items() if k != "image_base64"}
    image = {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP file."}
    form = {"type": "object", "properties": {**fields, "image": image}}
    body = {
        "required": True,
        "content": {
            "application/json": {"schema": schema},
            "multipart/form-data": {"schema": form},
        },
    }

    @app.post("/predict", summary="Classify one product", openapi_extra={"requestBody": body})
    async def predict(request: Request) -> PredictResponse:
        asked, image = await read_predict_request(request)
        return await run_in_threadpool(answer, asked, image)


def _add_batch(app: FastAPI, services: Services) -> None:
    example = "designation,description\nLampe LED,\nHarry Potter tome 1,Poche\n"
    body = {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": example}},
    }
    ok = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

    @app.post(
        "/predict/batch",
        summary="Classify the products of a CSV",
        response_class=StreamingResponse,
        responses=ok,  # type: ignore[arg-type]
        openapi_extra={"requestBody": body},
    )
    async def predict_batch(
        request: Request,
        top_k: Annotated[TopK, Query()] = 3,
        language: Annotated[Language, Query()] = "en",
    ) -> StreamingResponse:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in CSV_TYPES:
            raise HTTPException(415, f"content type {kind!r}: expected text/csv")
        with contextlib.ExitStack() as stack:
            spool = stack.enter_context(tempfile.TemporaryFile())
            async for part in request.stream():
                spool.write(part)
            await run_in_threadpool(_check_csv, spool)
            parts = _answers(services, spool, top_k, language)
            header = await run_in_threadpool(next, parts)
            spooled = stack.pop_all()
        return StreamingResponse(_stream(header, parts, spooled), media_type="text/csv")


def _check_csv(spool: IO[bytes]) -> None:
    """Read the whole file once: what is wrong is said before the first answer leaves."""
    spool.seek(0)
    for _ in ProductReader(spool, "body").chunks():
        pass


def _answers(services: Services, spool: IO[bytes], top_k: int, language: Language) -> Iterator[str]:
    """Yield the header, then the answers of one chunk after the other."""
    predictor = services.model.get()
    top_k = min(top_k, len(predictor.pipeline.model.classes_))
    spool.seek(0)
    reader = ProductReader(spool, "body")
    yield answers_header(reader.header, top_k)
    for chunk in reader.chunks():
        answered = predictor.answer(chunk, top_k=top_k, language=language)
        services.keep(answered, [None if i == NO_ID else i for i in chunk["productid"].tolist()])
        yield answers_rows(reader.header, chunk["cells"], answered[0])


def _stream(header: str, parts: Iterator[str], spooled: contextlib.ExitStack) -> Iterator[str]:
    with spooled:
        yield header
        yield from parts


def _add_feedback(app: FastAPI, services: Services) -> None:
    @app.post("/feedback", summary="Correct a label")
    def give_feedback(request: FeedbackRequest) -> dict[str, str]:
        correction = feedback.new_correction(**request.model_dump())
        stored_in = feedback.store(
            correction, services.feedback_file, services.database_url, services.codes
        )
        services.metrics.corrections.labels(stored_in).inc()
        return {"stored_in": stored_in}


def _answer_project_error(_: Request, error: Exception) -> JSONResponse:
    """Say what was found; what the client can't mend is 503 with the operator's next command."""
    detail = encodable(getattr(error, "message", str(error)))
    if isinstance(error, (UsageError, FileFault)):
        return JSONResponse({"detail": detail}, 422)
    next_command = getattr(error, "next_command", None)
    return JSONResponse({"detail": detail, "next_command": next_command}, 503)


def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": describe(faults)}, 422)
