# One image for the app (8501) and the HTTP service (8000): docker compose --profile app up
# Training is not in it: torch and what only tests and training need stay outside.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.txt pyproject.toml README.md LICENSE ./
# What serving never imports, and the last line, which installs this folder.
RUN grep -vE '^(torch|torchvision|transformers|safetensors|efficientnet|onnx>|pixeltable|nltk|shap|pytest|hypothesis|ruff|mypy|pandas-stubs|sqlfluff|shellcheck|schemathesis|playwright|-e )' \
        requirements.txt > serving.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir -r serving.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONPATH=/project PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba HOME=/tmp
# LightGBM and xgboost use OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin project
COPY --from=build /venv /venv
WORKDIR /project
COPY config config
COPY src src
COPY scripts scripts
COPY streamlit_app streamlit_app
USER 10001
EXPOSE 8000 8501
# Whichever of the two runs here.
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=4 CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(os.environ.get('HEALTH_URL', 'http://127.0.0.1:8000/health'), timeout=4)"]
CMD ["python", "scripts/serve_api.py", "--host", "0.0.0.0"]
