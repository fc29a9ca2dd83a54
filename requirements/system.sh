#!/usr/bin/env bash
# What the machine itself must bring, looked for before any long work begins.
#
#   system.sh python     print the Python that the environments are made with
#   system.sh chromium   print the browser that the panel is tested in
#   system.sh run        name what `make run` lacks, each with its remedy, and fail
#   system.sh test       likewise for `make test`
set -euo pipefail

missing=0
lacks() { # what, remedy
    printf 'usher: missing: %s\n       remedy:  %s\n' "$1" "$2" >&2
    missing=1
}

is_recent() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null
}

# Sets `python`: one that can make environments, or at least one that is recent enough.
find_python() {
    local candidate
    python=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
        is_recent "$candidate" || continue
        python=${python:-$candidate}
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            python=$(command -v "$candidate")
            return
        fi
    done
    if [ -n "$python" ]; then
        lacks "the venv module of $python" "apt-get install $(basename "$python")-venv"
    else
        lacks "Python 3.11 to 3.14" \
            "apt-get install python3 python3-venv (Ubuntu 22.04: python3.11 python3.11-venv)"
    fi
    return 1
}

loads() {
    "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null
}

check_mongodb() {
    if [ -n "${USHER_MONGODB_URI:-}" ] && [ "$1" = run ]; then return; fi
    if command -v mongod >/dev/null; then return; fi
    if [ "$(uname -m)" != x86_64 ]; then
        lacks "a MongoDB server: none is bundled for $(uname -m)" \
            "put a mongod, 6.0 or later, on the PATH, or set USHER_MONGODB_URI to a replica set"
        return
    fi
    if [ -z "$python" ]; then return; fi
    loads libcurl.so.4 || lacks "libcurl 4, which the MongoDB server uses" "apt-get install libcurl4"
    loads libssl.so.3 || lacks "OpenSSL 3, which the MongoDB server uses" \
        "apt-get install libssl3 (Debian 12, Ubuntu 22.04 or later)"
}

find_chromium() {
    local browser
    for browser in ${USHER_TEST_CHROMIUM:-chromium chromium-browser google-chrome}; do
        if command -v "$browser"; then return; fi
    done
    lacks "Chromium, which the tests of the panel use" \
        "apt-get install chromium (Ubuntu: chromium-browser), or name one in USHER_TEST_CHROMIUM"
    return 1
}

case ${1:-} in
    python)
        find_python
        echo "$python"
        ;;
    chromium) find_chromium ;;
    run | test)
        [ "$(uname -s)" = Linux ] || lacks "Linux" "run Usher in a Linux machine or container"
        # An environment that stands answers for its Python.
        python=.venv/bin/python
        is_recent "$python" || find_python || true
        check_mongodb "$1"
        if [ "$1" = test ]; then
            find_chromium >/dev/null || true
            PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null \
                || lacks "Mosquitto, an MQTT broker" "apt-get install mosquitto"
        fi
        exit "$missing"
        ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
