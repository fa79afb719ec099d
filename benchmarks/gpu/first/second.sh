#!/usr/bin/env bash
# The second call, after mistakes were mended: tests again, all missing cells, TF32, agreement with the CPU, ncu.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
start
tests "${T_TESTS:-80}" 25
cells "${T_CELLS:-210}" 'kernels/' 'nets/' 'conv/' 'activated/' 'input_curves/' 'cnn/vgg3' 'iteration/AdAct' 'cnn/' 'iteration/'
step tf32 30 15 env CUPY_TF32=1 SMOKE_PROFILE=0 "$PYTHON" -m benchmarks.gpu.first.smoke cupy curves nets activations convolutions inputs step iteration
step tf32_cells 45 40 env CUPY_TF32=1 "$PYTHON" -m benchmarks.gpu.first.cells 35 "$OUT" 'cnn/vgg3' 'conv/' 'activated/'
step agreement 45 25 "$PYTHON" -m benchmarks.gpu.first.cells --quick 35 "$OUT" 'agreement/(adact|molf|lm|owo|scg|cg|varpro)'
if command -v ncu >/dev/null; then
    step ncu 40 60 ncu --clock-control none --kernel-name-base demangled -k 'regex:(activation|curve|mix|scatter|back|convolve|correlate|places|add|pairs)' \
        -c 24 --section SpeedOfLight --section Occupancy "$PYTHON" -m benchmarks.gpu.first.one
fi
echo "all at $SECONDS s"
