# Sourced by first.sh and second.sh: where things are, the wheels, steps with limits, the tests.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=$(realpath -m "${OUT:-$here/../../../.gpu/out}") # results
cd "$here/../../.." || exit                          # the project's root
PYTHON=${PYTHON:-python3}
export PWL_GPU=${PWL_GPU:-$PWD/.gpu} # what pack.sh put together
WORK=${TMPDIR:-/tmp}/pwl-gpu         # what the second script takes over if it runs on the same machine
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$WORK/site:$PWD
export CUPY_CACHE_DIR=$WORK/cupy NUMBA_CACHE_DIR=$WORK/numba MPLCONFIGDIR=$WORK/matplotlib
unset OMP_NUM_THREADS # with one thread, blocks are not read ahead
mkdir -p "$OUT" "$WORK"

# Tests with the mark gpu are in these files.
TESTS=(tests/test_cuda*.py tests/test_device*.py tests/test_prefetch.py tests/test_preparation.py)

# start: installs the wheels, and takes over earlier cells and compiled kernels.
start() {
    [ -d "$PWL_GPU/whl" ] && "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$WORK/site" "$PWL_GPU"/whl/*.whl
    [ ! -d "$WORK/cupy" ] && [ -f "$PWL_GPU/cupy.tgz" ] && tar xzf "$PWL_GPU/cupy.tgz" -C "$WORK"
    for place in "$WORK" "$PWL_GPU"; do
        [ ! -f "$OUT/gpu.jsonl" ] && [ -f "$place/gpu.jsonl" ] && cp "$place/gpu.jsonl" "$OUT/"
    done
    return 0
}

# save: keeps the cells for the second script, and the compiled kernels for another machine.
save() {
    [ -f "$OUT/gpu.jsonl" ] && cp "$OUT/gpu.jsonl" "$WORK/"
    [ -d "$WORK/cupy" ] && tar czf "$OUT/cupy.tgz" -C "$WORK" cupy
    return 0
}

# step NAME SECONDS LINES COMMAND...: runs a command under a limit, keeps all it prints, and shows the last lines.
step() {
    local name=$1 limit=$2 lines=$3
    shift 3
    echo "==== $name at $SECONDS s, at most $limit s"
    timeout -k 5 "$limit" "$@" >"$OUT/$name.log" 2>&1
    echo "---- $name: status $? at $SECONDS s"
    tail -n "$lines" "$OUT/$name.log" | cut -c1-220
    save
}

# tests SECONDS LINES: the tests with the mark gpu. Their fixtures need pytest's cache, so it is not switched off.
tests() {
    local processes each=()
    processes=$(nproc)
    "$PYTHON" -c 'import pytest_timeout' 2>/dev/null && each=(--timeout 60)
    step tests "$1" "$2" "$PYTHON" -m pytest -q -m gpu -n "$((processes < 8 ? processes : 8))" --dist worksteal \
        -o cache_dir="$WORK/pytest" "${each[@]}" -rfE --tb=short "${TESTS[@]}"
}

# cells SECONDS PATTERN...: measures cells in this order.
cells() {
    local limit=$1
    shift
    step cells "$((limit + 10))" 110 "$PYTHON" -m benchmarks.gpu.first.cells "$limit" "$OUT" "$@"
}
