#!/usr/bin/env bash
# Pins every dependency, with hashes and without any download address.
set -euo pipefail
cd "$(dirname "$0")/.."
for name in run test; do
  uv pip compile "requirements/$name.in" --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "requirements/compile.sh" \
    --output-file "requirements/$name.lock" "$@"
  sed -i '/^\.\( \|\[\|$\)/d;/^netra-apex/d;/^-e /d' "requirements/$name.lock"
done
