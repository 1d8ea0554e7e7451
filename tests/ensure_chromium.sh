#!/usr/bin/env bash
# Installs Debian's Chromium where that is allowed; elsewhere the browser tests are skipped by name.
set -u
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
as_root=""
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || { echo "No Chromium, and no right to install one: browser tests will be skipped."; exit 0; }
  as_root="sudo -n"
fi
command -v apt-get >/dev/null 2>&1 || { echo "No Chromium and no apt-get: browser tests will be skipped."; exit 0; }
echo "Installing Chromium for the browser tests ..."
export DEBIAN_FRONTEND=noninteractive
# Where the registry cannot be reached this gives up soon, rather than after minutes of trying again.
patience="-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
$as_root apt-get $patience update -qq >/dev/null 2>&1
$as_root apt-get $patience install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 \
  || echo "Chromium could not be installed: browser tests will be skipped."
exit 0
