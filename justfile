export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

set positional-arguments

_list:
    @just --list --unsorted

# Everything CI and the commit hook look at, the tests excepted
check: fmt-check lint types imports page

# The test suite, or what is named: just test tests/schemas -k subject
test *args:
    ./opensqt test "$@"

# The whole stack on this machine
up *args:
    ./opensqt up "$@"

# One benchmark by name
bench *args:
    ./opensqt bench "$@"

# The crash laboratory
verify *args:
    ./opensqt verify "$@"

# The test suite with branch coverage
cover *args: _tools
    coverage erase
    coverage run -m pytest "$@"
    coverage combine --quiet
    coverage report

# Change the core in small ways, and see whether a test notices: just mutants orders.slots orders.accounting guards.circuit_breaker
mutants *modules: _tools
    python -m tests.mutation.run "$@"

# Rewrite what the formatter and the linter can mend
fmt: _tools
    ruff check --fix-only --quiet
    ruff format

# Is everything formatted?
fmt-check: _tools
    ruff format --check --quiet || { ruff format --diff --quiet; exit 1; }

# Lint
lint: _tools
    ruff check --quiet
    shellcheck opensqt .ci/run

# Types of the Python code
types: _tools
    mypy

# Who imports whom
imports: _tools
    pytest -q tests/test_imports.py

# Types of the page's modules
page:
    #!/bin/sh
    set -eu
    page=liveserver/web
    if ! find "$page" -path "$page/vendor" -prune -o -name '*.js' -print 2>/dev/null | grep -q .; then
        echo "page: no modules in $page yet"
    elif ! command -v npm >/dev/null; then
        echo 'page: not checked, because the type checker comes from npm and this machine has none'
    else
        [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund --silent
        node_modules/.bin/tsc --project tsconfig.json
    fi

# Lock anew; --upgrade takes the newest versions
lock *args: _tools
    #!/bin/sh
    set -eu
    compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@"; }
    compile pyproject.toml --group build --output-file requirements.lock "$@"
    compile pyproject.toml --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock "$@"
    compile --group node --output-file requirements-node.lock "$@"
    npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --silent
    # An address in a lock would tie everyone to one registry, or to one machine's mirror of it.
    ! grep -nE '://|"resolved"' requirements.lock requirements-dev.lock requirements-node.lock package-lock.json

# Known vulnerabilities in what is locked
audit: _tools
    pip-audit --disable-pip --require-hashes --requirement requirements-dev.lock
    npm audit

# Remove what the build, the tools and the tests made; .venv goes last, and ./opensqt makes it again
clean:
    rm -rf dist node_modules liveserver/web/vendor htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
    find . -name __pycache__ -prune -exec rm -rf {} +
    rm -rf .venv

# The launcher says where it is to what it starts, and has then seen to the tools.
_tools:
    @[ -n "${OPENSQT_ROOT:-}" ] || ./opensqt dev
