export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

set positional-arguments

_list:
    @just --list --unsorted

# All checks except the tests, as in CI and in the commit hook
check: files fmt-check lint types imports page

# Run the tests, all or those named: just test tests/schemas -k subject
test *args:
    ./opensqt test "$@"

# Run tests in the debug mode of Python and asyncio: just debug tests/bus
debug *args: _tools
    PYTHONASYNCIODEBUG=1 python -X dev -m pytest "$@"

# Run the whole stack on this machine
up *args:
    ./opensqt up "$@"

# Run a benchmark by name
bench *args:
    ./opensqt bench "$@"

# Kill and pause parts at random, and check that accounts match the venue
verify *args:
    ./opensqt verify "$@"

# Run the tests with branch coverage
cover *args: _tools
    coverage erase
    coverage run -m pytest "$@"
    coverage combine --quiet
    coverage report

# Mutation tests of the core: just mutants orders.slots guards.circuit_breaker
mutants *modules: _tools
    python -m tests.mutation.run "$@"

# Format the code and fix lint where possible
fmt: _tools
    ruff check --fix-only --quiet
    ruff format

# Check tracked files, or those named: valid YAML and JSON, white space
files *names: _tools
    python .ci/check_files.py "$@"

# Check the formatting
fmt-check: _tools
    ruff format --check --quiet || { ruff format --diff --quiet; exit 1; }

# Lint Python and shell code
lint: _tools
    ruff check --quiet
    shellcheck opensqt .ci/run deploy/image/healthcheck

# Check the types of the Python code
types: _tools
    mypy

# Check the import direction and the layout of the packages
imports: _tools
    pytest -q tests/test_imports.py tests/test_layout.py

# Check the types of the web page's modules
page:
    #!/bin/sh
    set -eu
    page=liveserver/web
    if ! find "$page" -path "$page/vendor" -prune -o -name '*.js' -print 2>/dev/null | grep -q .; then
        echo "page: no modules in $page yet"
    elif ! command -v npm >/dev/null; then
        echo 'page: not checked, because the type checker comes from npm, which is not installed'
    else
        [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund --silent
        node_modules/.bin/tsc --project tsconfig.json
    fi

# Build the wheel into dist/, without network; equal commits give equal bytes
build *args: _tools
    #!/bin/sh
    set -eu
    # The date of the files in the wheel. Without git, hatchling uses a fixed date.
    if [ -z "${SOURCE_DATE_EPOCH:-}" ] && epoch=$(git log -1 --format=%ct 2>/dev/null); then
        export SOURCE_DATE_EPOCH="$epoch"
    fi
    python -m hatchling build --target wheel "$@"

# Write the lock files; --upgrade selects the newest versions
lock *args: _tools
    #!/bin/sh
    set -eu
    compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@"; }
    compile pyproject.toml --group build --output-file requirements.lock "$@"
    compile pyproject.toml --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock "$@"
    compile --group node --output-file requirements-node.lock "$@"
    npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --silent
    # An address in a lock would bind every installation to one registry, or to a mirror of it.
    ! grep -nE '://|"resolved"' requirements.lock requirements-dev.lock requirements-node.lock package-lock.json

# Look for known vulnerabilities in the locked packages
audit: _tools
    pip-audit --disable-pip --require-hashes --requirement requirements-dev.lock
    npm audit

# Delete everything generated, .venv included; ./opensqt creates it again
clean:
    rm -rf dist node_modules liveserver/web/vendor htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
    find . -name __pycache__ -prune -exec rm -rf {} +
    rm -rf .venv

# ./opensqt sets OPENSQT_ROOT, and has then installed the tools already.
_tools:
    @[ -n "${OPENSQT_ROOT:-}" ] || ./opensqt dev
