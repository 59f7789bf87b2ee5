#!/usr/bin/env bash
# Gets what the tests of WebGPU and of the browser need and this machine lacks: Chromium (for the browser suites; its
# SwiftShader serves Node too), the Vulkan loader, and a faster software adapter for Node (Mesa's lavapipe from 25 on) in
# .cache/, beside the system's packages. Says what is missing and goes on: the suites that need it are counted as skipped.
# Never fails, needs no answer, and every step is bounded in time.
set -uo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
bounded() { timeout --kill-after=10 "$@" < /dev/null; }
export DEBIAN_FRONTEND=noninteractive

have_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null 2>&1
have_loader() { ldconfig -p 2> /dev/null | grep -q 'libvulkan\.so\.1' || [ -e /usr/lib/chromium/libvulkan.so.1 ]; }
is_debian() { command -v apt-get && command -v dpkg && [ -e /etc/debian_version ]; } > /dev/null 2>&1

# Package lists are fetched once a run, and only if something is missing.
fetched_lists=no
fetch_lists() {
  [ "$fetched_lists" = yes ] && return
  fetched_lists=yes
  bounded 120 apt-get -qq update >&2 || say "the package lists could not be fetched"
}

install_packages() {
  local options="-y -qq --no-install-recommends -o Acquire::Retries=1 -o DPkg::Lock::Timeout=60"
  # shellcheck disable=SC2086
  fetch_lists && bounded 420 apt-get install $options "$@" >&2
}

# Unpacks packages into a folder, and what they depend on where the system lacks it, three levels deep.
unpack_with_dependencies() {
  local folder=$1 wanted=$2 next package
  shift 2
  for _ in 1 2 3; do
    next=""
    for package in $wanted; do
      [ -e "$folder/debs/${package%%/*}" ] && continue
      mkdir -p "$folder/debs/${package%%/*}"
      (cd "$folder/debs/${package%%/*}" && bounded 120 apt-get -qq "$@" download "$package") >&2 || return 1
      dpkg -x "$folder/debs/${package%%/*}"/*.deb "$folder/root" || return 1
      next="$next $(dpkg-deb -f "$folder/debs/${package%%/*}"/*.deb Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/:any//; s/ //g')"
    done
    wanted=""
    for package in $next; do
      dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2> /dev/null | grep -q '^ii' || wanted="$wanted $package"
    done
    [ -z "$wanted" ] && break
  done
}

# Debian 12's own Mesa (22.3) lacks what Dawn asks for; its backports have 25. The mirror is the one apt already uses.
fetch_lavapipe() {
  local folder=$1 release mirror library
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  fetch_lists
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 2> /dev/null | grep -v security | head -n 1)
  [ -n "$mirror" ] && [ -n "$release" ] || return 1
  mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/root"
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  for suite in "$release" "$release-backports"; do echo "deb [signed-by=$key] $mirror $suite main"; done > "$folder/sources.list"
  local options=(-o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists"
    -o "Dir::Cache=$folder" -o APT::Sandbox::User=root -o Acquire::Retries=1)
  bounded 120 apt-get -qq "${options[@]}" update >&2 || return 1
  # A release newer than 12 has a Mesa that will do, and perhaps no backport of it.
  unpack_with_dependencies "$folder" "mesa-vulkan-drivers/$release-backports" "${options[@]}" ||
    unpack_with_dependencies "$folder" mesa-vulkan-drivers "${options[@]}" || return 1
  library=$(find "$folder/root" -name libvulkan_lvp.so | head -n 1)
  [ -n "$library" ] || return 1
  rm -rf "$folder/debs" "$folder/lists" "$folder/archives" "$folder"/*.bin
  # Written last: the tests look for this file.
  printf '{"file_format_version":"1.0.0","ICD":{"api_version":"1.3.0","library_path":"%s"}}\n' "$library" > "$folder/lavapipe.json.part"
  mv "$folder/lavapipe.json.part" "$folder/lavapipe.json"
}

if ! is_debian; then
  have_chromium || say "MISSING: no Chromium; the browser suites will be skipped (install Chromium, or set CHROMIUM_PATH)"
  exit 0
fi
missing=""
have_chromium || missing="chromium"
have_loader || missing="$missing libvulkan1"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ]; then
    # shellcheck disable=SC2086
    install_packages $missing || say "apt-get install $missing failed"
  fi
  have_chromium || say "MISSING: no Chromium; the browser suites will be skipped: apt-get install chromium"
  have_loader || say "MISSING: no Vulkan loader; WebGPU in Node will be skipped: apt-get install libvulkan1"
fi
lavapipe="$PWD/.cache/lavapipe"
if [ "$(uname -s)" = Linux ] && [ ! -s "$lavapipe/lavapipe.json" ]; then
  rm -rf "$lavapipe"
  if ! fetch_lavapipe "$lavapipe"; then
    rm -rf "$lavapipe"
    say "MISSING: no lavapipe; WebGPU in Node runs on Chromium's SwiftShader, several times slower, if that is there"
  fi
fi
exit 0
