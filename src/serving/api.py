"""The HTTP service: one product, a CSV of them, corrections, and what an operator needs.

`create_app` puts it together from parts that are handed in; `scripts/serve_api.py` makes them and
runs it. Every request passes `RequestGuard` first. Wrong input is answered with 4xx and a
sentence; 503 says that no model is served.
"""

import base64
import contextlib
import dataclasses
import itertools
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CONTENT_TYPE_LATEST

from src.data.corrections import current
from src.data.csv_files import NO_ID
from src.data.image_decode import TOO_LARGE, ImageFault, read_source
from src.data.readers import ProductReader
from src.errors import DataError, FileFault, ProjectError, UsageError
from src.files import encodable
from src.serving.answers import answers_header, answers_rows, explanation, similar_products
from src.serving.feedback import FeedbackStore, as_table, select, withdrawal
from src.serving.metrics import Metrics
from src.serving.prediction_log import PredictionLog
from src.serving.predictor import NOTHING_TO_READ, Answered, Product
from src.serving.request_guard import KEY_HEADER, RequestGuard, RequestLimits
from src.serving.review import ReviewQueue
from src.serving.schemas import (
    Anybody,
    Author,
    ClassOut,
    ErrorResponse,
    ExplainRequest,
    ExplainResponse,
    FeedbackPage,
    FeedbackQuery,
    FeedbackRequest,
    Form,
    Language,
    ModelResponse,
    Number,
    PredictRequest,
    PredictResponse,
    ProductRequest,
    ReviewOut,
    ReviewRequest,
    SimilarRequest,
    SimilarResponse,
    TopK,
    describe,
    product_body,
    read_product,
)
from src.serving.served_model import ServedModel
from src.serving.uploads import check_image, check_table, unpack_products

logger = logging.getLogger(__name__)

DOCS = Path(__file__).with_name("docs.html")
UNAVAILABLE = "no answer is possible now; the service's log says why, and what its operator can do"
TABLE_TYPES = (
    "text/csv", "application/csv", "text/plain", "text/tab-separated-values", "application/gzip",
    "application/vnd.ms-excel", "application/vnd.apache.parquet", "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)  # fmt: skip
ZIP_TYPES = ("application/zip", "application/x-zip-compressed")


@dataclasses.dataclass(frozen=True)
class Services:
    """What the application works with."""

    model: ServedModel
    log: PredictionLog
    feedback: FeedbackStore
    limits: RequestLimits = RequestLimits()
    lease_minutes: float = 10  # for which who asked has a product to review
    api_key: str = dataclasses.field(default="", repr=False)  # "" lets everybody in
    metrics: Metrics = dataclasses.field(default_factory=Metrics)

    def keep(self, answered: Answered, productids: list[int | None]) -> None:
        """Count answers and queue them for the log."""
        self.metrics.count_predictions(answered[0])
        self.log.put(answered, productids)


def create_app(services: Services) -> FastAPI:
    """Return the application."""
    wrong: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorResponse} for status in (400, 401, 404, 408, 413, 415, 422, 503)
    }
    app = FastAPI(
        title="Product classifier",
        description="From a product's title, description and image to its category.",
        version="1",
        responses=wrong,
        dependencies=[Depends(APIKeyHeader(name=KEY_HEADER, auto_error=False))],
        docs_url=None,  # FastAPI's own page comes from another server
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
    _add_evidence(app, services)
    _add_batch(app, services)
    _add_feedback(app, services)
    _add_review(app, services)
    return app


def _add_operations(app: FastAPI, services: Services) -> None:
    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("docs")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(DOCS.read_text(encoding="utf-8"))

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


def _add_predict(app: FastAPI, services: Services) -> None:
    def answer(asked: PredictRequest, image: bytes | None) -> PredictResponse:
        predictor, product = services.model.get(), _product(services, asked, image)
        answered = predictor.answer_one(product, top_k=asked.top_k, language=asked.language)
        if answered[0][0].code is None:
            raise HTTPException(422, NOTHING_TO_READ)
        services.keep(answered, [asked.productid])
        return PredictResponse.of(answered[0][0])

    @app.post(
        "/predict", summary="Classify one product", openapi_extra=product_body(PredictRequest)
    )
    async def predict(request: Request) -> PredictResponse:
        return await run_in_threadpool(answer, *await read_product(request, PredictRequest))


def _add_evidence(app: FastAPI, services: Services) -> None:
    def explain(asked: ExplainRequest, image: bytes | None) -> dict[str, object]:
        predictor, product = services.model.get(), _product(services, asked, image)
        found, png = explanation(predictor, product, asked.code, asked.language)
        return {**found, "heat_map_base64": png and base64.b64encode(png).decode()}

    def similar(asked: SimilarRequest, image: bytes | None) -> dict[str, object]:
        predictor, product = services.model.get(), _product(services, asked, image)
        found = similar_products(predictor, product, asked.language, asked.top_k)
        if found["reason"] == "nothing_to_read":
            raise HTTPException(422, NOTHING_TO_READ)
        return found

    @app.post(
        "/explain", summary="Say why a product gets a class",
        response_model=ExplainResponse, openapi_extra=product_body(ExplainRequest),
    )  # fmt: skip
    async def explain_one(request: Request) -> dict[str, object]:
        return await run_in_threadpool(explain, *await read_product(request, ExplainRequest))

    @app.post(
        "/similar", summary="Show the training products that a product is most like",
        response_model=SimilarResponse, openapi_extra=product_body(SimilarRequest),
    )  # fmt: skip
    async def similar_to_one(request: Request) -> dict[str, object]:
        return await run_in_threadpool(similar, *await read_product(request, SimilarRequest))


def _product(services: Services, asked: ProductRequest, image: bytes | None) -> Product:
    if image is not None:
        try:
            check_image(image, services.limits.image_pixels)
        except ImageFault as e:
            raise HTTPException(413 if e.reason == TOO_LARGE else 422, f"image: {e.message}") from e
    return Product(asked.designation, asked.description, image)


def _add_batch(app: FastAPI, services: Services) -> None:
    example = "designation,description\nLampe LED,\nHarry Potter tome 1,Poche\n"
    archive = {"type": "string", "format": "binary", "description": "One table and images."}
    content = {"text/csv": {"schema": {"type": "string"}, "example": example}}
    body = {"required": True, "content": {**content, ZIP_TYPES[0]: {"schema": archive}}}
    ok = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

    @app.post(
        "/predict/batch",
        summary="Classify the products of a table, or of a zip with a table and images",
        response_class=StreamingResponse,
        responses=ok,  # type: ignore[arg-type]
        openapi_extra={"requestBody": body},
    )
    async def predict_batch(
        request: Request,
        top_k: Annotated[TopK, Query()] = 3,
        language: Annotated[Language, Query()] = "en",
        form: Annotated[Form, Query(alias="format")] = "csv",
    ) -> StreamingResponse:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in TABLE_TYPES + ZIP_TYPES:
            raise HTTPException(
                415, f"content type {kind!r}: expected text/csv, another table, or a zip of both"
            )
        with contextlib.ExitStack() as stack:
            spool: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            async for part in request.stream():
                spool.write(part)
            images = None
            if kind in ZIP_TYPES:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="images-"))
                most = services.limits.batch_bytes
                spool, images = await run_in_threadpool(unpack_products, spool, Path(folder), most)
            read_as = await run_in_threadpool(check_table, spool, images)
            parts = _answers(stack.pop_all(), services, spool, images, top_k, language, form)
            header = await run_in_threadpool(next, parts)
        headers = {"X-Read-As": read_as} if read_as else {}
        return StreamingResponse(itertools.chain([header], parts), 200, headers, "text/csv")


def _answers(
    spooled: contextlib.ExitStack,
    services: Services,
    spool: IO[bytes],
    images: Mapping[str, str] | None,
    top_k: int,
    language: Language,
    form: Form,
) -> Iterator[str]:
    """Yield the header, then the answers of one chunk after the other; `spooled` closes then."""
    with spooled:
        predictor = services.model.get()
        labels, classes = predictor.pipeline.labels, predictor.pipeline.model.classes_
        top_k = min(top_k, len(classes))
        spool.seek(0)
        reader = ProductReader(spool, "body", images=images)
        yield answers_header(reader.header, top_k, form)
        for chunk in reader.chunks():
            answered = predictor.answer(chunk, top_k=top_k, language=language)
            ids = [None if i == NO_ID else i for i in chunk["productid"].tolist()]
            services.keep(answered, ids)
            yield answers_rows(chunk["cells"], answered[0], top_k, labels, language, form)


def _add_feedback(app: FastAPI, services: Services) -> None:
    feedback = services.feedback

    def keep(asked: FeedbackRequest, image: bytes | None) -> dict[str, str]:
        product = _product(services, asked, image)
        given = asked.model_dump(exclude={"designation", "description", "image_base64"})
        correction = feedback.new(product=product, source="api", **given)
        stored_in = feedback.store(correction)
        services.metrics.corrections.labels(stored_in).inc()
        return {"stored_in": stored_in, "item_hash": correction.item_hash}

    @app.post("/feedback", summary="Correct a label", openapi_extra=product_body(FeedbackRequest))
    async def give_feedback(request: Request) -> dict[str, str]:
        return await run_in_threadpool(keep, *await read_product(request, FeedbackRequest))

    @app.get("/feedback", summary="List corrections", response_model=FeedbackPage)
    def list_feedback(asked: Annotated[FeedbackQuery, Query()]) -> Any:  # noqa: ANN401
        found = feedback.read()
        chosen = select(
            current(found) if asked.current else found,
            author=asked.author, source=asked.source, prdtypecode=asked.code,
            productid=asked.productid,
        )  # fmt: skip
        chosen = [c for c in chosen if asked.since is None or c.created_at >= asked.since]
        page = chosen[(asked.page - 1) * asked.size : asked.page * asked.size]
        if asked.form == "csv":
            return Response(as_table(page).to_csv(index=False), media_type="text/csv")
        return {"total": len(chosen), "corrections": page}

    @app.delete("/feedback", summary="Withdraw what a person said of a product")
    def withdraw(
        author: Annotated[Anybody, Query()] = "",
        productid: Annotated[Number | None, Query()] = None,
        item_hash: Annotated[str | None, Query(description="As POST gave it.")] = None,
    ) -> dict[str, str]:
        if (productid is None) == (item_hash is None):
            raise HTTPException(422, "expected a productid or an item_hash")
        named = {"author": author, "productid": productid, "item_hash": item_hash}
        found = select(current(feedback.read()), **named)
        if not found:
            raise HTTPException(404, "this author gave this product no class that counts now")
        return {"stored_in": [feedback.store(withdrawal(c)) for c in found][-1]}


def _add_review(app: FastAPI, services: Services) -> None:
    feedback = services.feedback
    queue = ReviewQueue(services.model.paths, feedback, services.lease_minutes)

    @app.get(
        "/review/next", summary="Lease the next product to review; 204 where none is left",
        response_model=ReviewOut, responses={204: {"description": "Nothing is left."}},
    )  # fmt: skip
    def next_review(author: Annotated[Author, Query()]) -> Any:  # noqa: ANN401
        item = queue.next(author)
        if item is None:
            return Response(status_code=204)
        content = b""
        with contextlib.suppress(DataError):
            content = read_source(item.image)
        return {**vars(item), "image_base64": base64.b64encode(content).decode() or None}

    @app.post("/review/{product}", summary="Say the class of a product that was leased, or skip it")
    def review(product: str, asked: ReviewRequest) -> dict[str, str]:
        if (asked.code is None) != asked.skip:
            raise HTTPException(422, "expected a code, or skip")
        item = queue.next(asked.author, product)
        if item is None or item.product != product:
            queue.leave(asked.author, item.product if item else "")
            raise HTTPException(404, "not in the queue, or in other hands: GET /review/next")
        stored_in = ""
        if not asked.skip:
            correction = feedback.new(
                asked.code, item.content, item.productid,
                predicted_code=item.code, probability=item.probability, source="review",
                author=asked.author, run_id=services.model.get().pipeline.run_id,
            )  # fmt: skip
            stored_in = feedback.store(correction)
            services.metrics.corrections.labels(stored_in).inc()
        queue.leave(asked.author, product, skip=asked.skip)
        return {"stored_in": stored_in}


def _answer_project_error(_: Request, error: Exception) -> JSONResponse:
    """Say what was found; what the client can't mend is 503, and its reason is for the log."""
    if isinstance(error, (UsageError, FileFault)):
        return JSONResponse({"detail": encodable(error.message)}, 422)
    logger.warning("answered with 503: %s", error)
    return JSONResponse({"detail": UNAVAILABLE}, 503)


def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": describe(faults)}, 422)
