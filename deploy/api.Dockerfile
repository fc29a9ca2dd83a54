# The REST API, and the admin panel that it serves.
FROM node:24-bookworm-slim AS panel
WORKDIR /src
COPY admin/package.json admin/package-lock.json admin/.npmrc ./
RUN npm ci
COPY admin .
RUN npm run build

FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements/build.txt requirements/api.txt requirements/
RUN python -m venv /opt/usher \
    && /opt/usher/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/usher/bin/pip install --require-hashes --use-pep517 --no-build-isolation \
        -r requirements/api.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY usher usher
COPY services services
RUN /opt/usher/bin/pip install --no-deps --no-build-isolation . \
    && /opt/usher/bin/pip uninstall --yes setuptools

FROM python:3.13-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 --user-group usher \
    && install --directory --owner usher --group usher --mode 700 \
        /var/lib/usher /var/lib/usher/crops /var/lib/usher/frames
COPY --from=build /opt/usher /opt/usher
COPY --from=panel /src/dist /usr/share/usher/panel
ENV PATH=/opt/usher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    USHER_DATA=/var/lib/usher \
    USHER_ADMIN_DIST=/usr/share/usher/panel \
    USHER_HOST=0.0.0.0
WORKDIR /var/lib/usher
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["usher"]
CMD ["api"]
