# The detector: finds faces and uploads them. No database driver, no web framework.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements/build.txt requirements/detector.txt requirements/
RUN python -m venv /opt/usher \
    && /opt/usher/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/usher/bin/pip install --require-hashes --use-pep517 --no-build-isolation \
        -r requirements/detector.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY usher usher
COPY services services
RUN /opt/usher/bin/pip install --no-deps --no-build-isolation . \
    && /opt/usher/bin/pip uninstall --yes setuptools

FROM python:3.13-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 --user-group usher \
    && install --directory --owner usher --group usher --mode 700 /var/lib/usher
COPY --from=build /opt/usher /opt/usher
ENV PATH=/opt/usher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    USHER_DATA=/var/lib/usher
WORKDIR /var/lib/usher
USER 10001:10001
# Of itself: that the API is away is what the spool is for.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:9090/metrics', timeout=4)"]
ENTRYPOINT ["usher"]
CMD ["detect", "--metrics-port", "9090"]
