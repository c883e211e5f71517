# RagWright's server on the CPU. Build: docker build -t ragwright .   Run: see compose.yaml.
# For a GPU: docker build --build-arg TORCH_ARGS="--index-url ADDRESS-OF-PYTORCH'S-CUDA-INDEX" -t ragwright .
FROM python:3.11-slim-bookworm AS build
ARG TORCH_ARGS=""
WORKDIR /src
RUN python -m venv /opt/ragwright
ENV PATH=/opt/ragwright/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY constraints.txt pyproject.toml README.md ./
# hadolint ignore=SC2086,DL3013
RUN pip install "torch==2.13.0" ${TORCH_ARGS}
COPY indexes indexes
COPY rag rag
COPY eval eval
RUN pip install -c constraints.txt '.[offline,serve,mcp]'

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 ragwright && install -d -o ragwright /data /documents
COPY --from=build /opt/ragwright /opt/ragwright
ENV PATH=/opt/ragwright/bin:$PATH RAG_STORE_PATH=/data RAG_SERVE_HOST=0.0.0.0 HF_HOME=/data/models
USER 10001
VOLUME ["/data"]
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8321/healthz', timeout=4)"]
# The server is reached from outside the container, so it wants a key: docker compose run --rm ragwright key new NAME
ENTRYPOINT ["rag"]
CMD ["serve"]
