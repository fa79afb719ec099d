#!/usr/bin/env bash
# The first call: facts, smoke checks, tests, and the cells that matter most. Nothing stops it; results are in $OUT.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
start
step facts 20 20 bash -c '
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv
    "$0" -m pip list 2>/dev/null | grep -iE "^(cupy|numpy|numba|llvmlite|torch|scipy|array|nvidia-(cublas|cuda-nvrtc|cudnn)|pytest|hypothesis)"
    nproc' "$PYTHON"
step smoke 100 60 "$PYTHON" -m benchmarks.gpu.first.smoke
tests "${T_TESTS:-110}" 40
cells "${T_CELLS:-130}" 'cnn/vgg3' 'kernels/.*-128-spread' 'nets/' 'iteration/AdAct' 'conv/' 'activated/' 'input_curves/' 'kernels/' 'iteration/(MOLF|LM)' 'cnn/'
echo "all at $SECONDS s"
