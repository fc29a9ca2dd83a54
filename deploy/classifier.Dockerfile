# The classifier: says who each face is. Any number of it may run.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements/build.txt requirements/classifier.txt requirements/
RUN python -m venv /opt/usher \
    && /opt/usher/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/usher/bin/pip install --require-hashes --use-pep517 --no-build-isolation \
        -r requirements/classifier.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY usher usher
COPY services services
RUN /opt/usher/bin/pip install --no-deps --no-build-isolation . \
    && /opt/usher/bin/pip uninstall --yes setuptools

FROM python:3.13-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 --user-group usher \
    && install --directory --owner usher --group usher --mode 700 /var/lib/usher /var/lib/usher/crops
COPY --from=build /opt/usher /opt/usher
ENV PATH=/opt/usher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    USHER_DATA=/var/lib/usher
WORKDIR /var/lib/usher
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, pymongo; pymongo.MongoClient(os.environ['USHER_MONGODB_URI'], serverSelectionTimeoutMS=4000).admin.command('ping')"]
ENTRYPOINT ["usher"]
CMD ["classify"]
