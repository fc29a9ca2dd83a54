# The notifier: tells managers. Errbot (GPLv3) is apart in /opt/errbot, a program of its own.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
COPY requirements/build.txt requirements/notifier.txt requirements/
RUN python -m venv /opt/usher \
    && /opt/usher/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/usher/bin/pip install --require-hashes --use-pep517 --no-build-isolation \
        -r requirements/notifier.txt
COPY services/notifier/errbot/requirements.lock requirements/errbot.lock
RUN python -m venv /opt/errbot \
    && /opt/errbot/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/errbot/bin/pip install --require-hashes -r requirements/errbot.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY usher usher
COPY services services
RUN /opt/usher/bin/pip install --no-deps --no-build-isolation . \
    && /opt/usher/bin/pip uninstall --yes setuptools
RUN /opt/errbot/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 --user-group usher \
    && install --directory --owner usher --group usher --mode 700 /var/lib/usher
COPY --from=build /opt/usher /opt/usher
COPY --from=build /opt/errbot /opt/errbot
ENV PATH=/opt/usher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    USHER_DATA=/var/lib/usher \
    USHER_BOT_ENVIRONMENT=/opt/errbot
WORKDIR /var/lib/usher
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen(os.environ['USHER_API_URL'] + '/readyz', timeout=4)"]
ENTRYPOINT ["usher"]
CMD ["notify"]
