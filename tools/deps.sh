#!/bin/sh
# Installs what a bare Debian 12 with git, make and gcc lacks, and nothing that is already there.
#
#   tools/deps.sh [build] [demo] [test] [bench]      (default: build)
#
#   build   the compiler for C++ and the libraries build/ondol is linked with
#   demo    build, and the virtual environment build/venv with boto3 and the aws command
#   test    demo, and clang, cmocka, Node.js 18 and the JavaScript SDK, a JDK and the Java SDK
#   bench   demo, and the peers that `make bench` compares with
#
# Debian packages come through apt-get, as root or through sudo. Python packages go to build/venv,
# JavaScript packages to tests/api/js/node_modules, Java packages to build/java; a hash beside each
# says which list they came from, so that a second run only looks (and takes no measurable time).
set -eu
cd "$(dirname "$0")/.."

VENV=${VENV:-build/venv}
JS=tests/api/js
JAVA=build/java
BUILD_PACKAGES="g++ libcurl4-openssl-dev libmicrohttpd-dev libsimdjson-dev libsqlite3-dev libopenblas-dev libssl-dev"
# libclang-rt holds the sanitizers and libFuzzer; without recommended packages clang leaves it out.
TEST_PACKAGES="clang clang-format libclang-rt-14-dev libcmocka-dev curl openssl"

say() { echo "deps: $*"; }
die() {
    echo "deps: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- Debian packages

missing_packages() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        awk -v wanted="$*" '
            $2 == "installed" { there[$1] = 1 }
            END { n = split(wanted, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in there)) print w[i] }'
}

# sudo may ask for a password only where somebody can answer.
ASK=-n
[ ! -t 0 ] || ASK=
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        # shellcheck disable=SC2086 # an option or nothing
        sudo $ASK env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

install_packages() {
    have dpkg-query || die "this is not Debian (there is no dpkg-query); install the equivalents of: $*"
    lacking=$(missing_packages "$@" | tr '\n' ' ')
    lacking=${lacking% }
    [ -n "$lacking" ] || return 0
    by_hand="as root: apt-get update && apt-get install $lacking"
    have apt-get || die "these packages are missing, and there is no apt-get to install them: $lacking"
    if [ "$(id -u)" != 0 ] && ! have sudo; then
        die "these packages are missing: $lacking. You are not root and there is no sudo; run $by_hand"
    fi
    say "installing with apt-get: $lacking"
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of names
    if ! { as_root apt-get update -qq &&
        as_root apt-get install -qq -y --no-install-recommends $lacking; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $lacking (its last lines are above). Needed, $by_hand"
    fi
    rm -f "$log"
}

build_packages() {
    packages=$BUILD_PACKAGES
    have python3 || packages="$packages python3"
    # shellcheck disable=SC2086
    install_packages $packages
}

# --- Python: build/venv

need_venv() {
    if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    # The python3 found first may be one that Debian does not know of, with its own venv module.
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        install_packages python3-venv
        python3 -c 'import venv, ensurepip' 2>/dev/null ||
            die "$(command -v python3) cannot make virtual environments (its venv or ensurepip module is missing)"
    fi
    say "making the virtual environment $VENV"
    rm -rf "$VENV"
    mkdir -p "$(dirname "$VENV")"
    python3 -m venv "$VENV"
}

# python_packages LIST: installs tools/requirements-LIST.txt unless that very text was installed.
python_packages() {
    need_venv
    list=tools/requirements-$1.txt
    stamp=$VENV/requirements-$1.sha256
    now=$(sha256sum <"$list")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ]; then
        return 0
    fi
    say "installing into $VENV: $(sed -e '/^#/d' "$list" | tr '\n' ' ')"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --root-user-action=ignore --upgrade -r "$list" </dev/null ||
        die "pip could not install $list into $VENV"
    echo "$now" >"$stamp"
}

# --- JavaScript: tests/api/js/node_modules

node_version() {
    v=$(node --version 2>/dev/null || echo v0)
    v=${v#v}
    echo "${v%%.*}"
}

need_node() {
    if [ "$(node_version)" -lt 18 ]; then
        install_packages nodejs
        [ "$(node_version)" -ge 18 ] ||
            die "the JavaScript SDK needs Node.js 18 or later; $(command -v node || echo node) is version $(node_version)"
    fi
    have npm || install_packages npm
}

javascript_packages() {
    stamp=$JS/node_modules/package.sha256
    now=$(sha256sum <"$JS/package.json")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && have node; then
        return 0
    fi
    need_node
    say "installing the JavaScript SDK into $JS/node_modules"
    (cd "$JS" && npm install --no-audit --no-fund --silent </dev/null) ||
        die "npm could not install what $JS/package.json lists"
    echo "$now" >"$stamp"
}

# --- Java: build/java/lib

# Without Maven Central the tests of the Java client are skipped, and say so; the others need none of it.
java_packages() {
    pom=tests/api/java/pom.xml
    stamp=$JAVA/pom.sha256
    now=$(sha256sum <"$pom")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && have javac; then
        return 0
    fi
    have javac || install_packages openjdk-17-jdk-headless
    have mvn || install_packages maven
    say "installing the Java SDK into $JAVA/lib"
    rm -rf "$JAVA"
    if ! mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory="$PWD/$JAVA/lib" >/dev/null </dev/null; then
        rm -rf "$JAVA"
        say "mvn could not fetch what $pom lists: the tests of the Java client will be skipped"
        return 0
    fi
    echo "$now" >"$stamp"
}

# --- what was asked for

[ $# -gt 0 ] || set -- build
for what in "$@"; do
    case $what in
    build)
        build_packages
        ;;
    demo)
        build_packages
        python_packages test
        ;;
    test)
        build_packages
        # shellcheck disable=SC2086
        install_packages $TEST_PACKAGES
        python_packages test
        javascript_packages
        java_packages
        ;;
    bench)
        build_packages
        install_packages libcmocka-dev # bench_recommend stands on a fixture of the unit tests
        python_packages test
        python_packages bench
        ;;
    *)
        die "'$what' is none of build, demo, test, bench"
        ;;
    esac
done
