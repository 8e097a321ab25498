"""Serve: the HTTP service on this machine, by default on http://127.0.0.1:8000 (see /docs)."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from src.command_line import parser, run, settings
from src.config_model import KINDS
from src.errors import EXIT_FINE, DatabaseError, UsageError

if TYPE_CHECKING:
    from src.config import Config
    from src.serving.api import Services

KEY_VARIABLE = "API_KEY"


def main(argv: list[str] | None = None) -> int:
    """Parse, serve until told to stop; return the exit code."""
    options = parser(__doc__, verbose="log every request")
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    options.add_argument("--kind", choices=KINDS, help="another kind of model than the served one")
    options.add_argument("--port", type=int, default=8000, help="port to listen on (8000)")
    kept = "answers that waited for the log were written"
    return run(_serve, options, argv, kept=kept)


def _serve(args: argparse.Namespace) -> int:
    import uvicorn

    from src.serving.api import create_app

    if not 0 < args.port < 65_536:
        raise UsageError(
            f"--port {args.port}: expected 1 to 65535", next_command="python scripts/serve_api.py"
        )
    services = _services(settings(args), args.kind)
    try:
        services.feedback.address()
    except DatabaseError as e:
        file = services.feedback.file
        sys.stderr.write(f"answers are not logged, corrections go to {file}: {e.message}\n")
    services.model.refresh()
    services.model.follow()
    if not services.api_key:
        sys.stderr.write(f"open to everybody who reaches it: set {KEY_VARIABLE} to ask for a key\n")
    sys.stderr.write(f"listening on http://{args.host}:{args.port}, see /docs\n")
    try:
        uvicorn.run(
            create_app(services),
            host=args.host,
            port=args.port,
            log_level="info" if args.verbose else "warning",
            timeout_graceful_shutdown=10,
        )
    finally:
        services.model.close()
        services.log.close()
    return EXIT_FINE


def _services(cfg: Config, kind: str | None) -> Services:
    from src.data import postgres
    from src.data.database_url import read_settings
    from src.labels import load_labels
    from src.serving.api import Services
    from src.serving.feedback import FeedbackStore
    from src.serving.prediction_log import PredictionLog
    from src.serving.request_guard import RequestLimits
    from src.serving.review import keep_answer
    from src.serving.served_model import ServedModel

    codes = load_labels(cfg.paths.labels_map, cfg.paths.theme_map).codes
    feedback, model = FeedbackStore.of(cfg.paths, codes), ServedModel(cfg.paths, kind)
    keep = None
    if cfg.review.keep_answers:
        keep = partial(keep_answer, feedback, lambda: model.values)
    return Services(
        model=model,
        log=PredictionLog(
            lambda rows: postgres.write_answers(feedback.address(), rows), model.observe, keep
        ),
        feedback=feedback,
        limits=RequestLimits(
            body_bytes=cfg.serving.max_body_mb * 1_000_000,
            batch_bytes=cfg.serving.max_batch_mb * 1_000_000,
            image_pixels=cfg.serving.max_image_megapixels * 1_000_000,
            body_s=cfg.serving.body_timeout_s,
        ),
        lease_minutes=cfg.review.lease_minutes,
        api_key=read_settings().get(KEY_VARIABLE, ""),
    )


if __name__ == "__main__":
    sys.exit(main())
