# One image for the app (8501) and the HTTP service (8000): docker compose --profile app up
# Training is not in it: what only the extras train, demo and dev name stays outside.
FROM python:3.11-slim AS build
WORKDIR /build
# A worker of the cluster has others: see docker-compose.yml.
ARG EXTRAS="serve,app"
COPY pyproject.toml constraints.txt README.md LICENSE ./
# The requirements alone: there is no code here to install, and the image below copies it. So a
# change of the code rebuilds no layer of libraries.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]"

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
