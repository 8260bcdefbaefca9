# A server for models that topwork has fitted: slim, without torch, not as root, and fine with a read-only file system.
#
#   docker build -t topwork .                                   images
#   docker build -t topwork --build-arg EXTRAS=serve,text .     and texts that a network reads
#
# How it is run, and what it needs: docs/serving.md.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=serve
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/topwork \
    && /opt/topwork/bin/pip install --no-cache-dir --no-compile ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
COPY --from=build /opt/topwork /opt/topwork
# The cache holds the compiled network. It is the one place that is written to: a volume or a tmpfs.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin topwork \
    && install -d -o topwork /cache
ENV PATH=/opt/topwork/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TOPWORK_CACHE=/cache
USER 10001
VOLUME /cache
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["topwork", "serve", "--host", "0.0.0.0", "--port", "8000"]
# Model folders follow, and options: /models/NAME. A token is asked for unless --public says that none is meant.
CMD ["/models/model"]
