// Piecewise-linear curves on nets n (rows x units), Eqs. (3)-(6), with the bits of reference/curves.py.
//
// Memory is seen as lines of `width` nets. A line is a row, or several rows side by side if rows are short. A thread keeps to
// V neighbouring columns of the lines and walks down, so that its units never change.
//
// Blocks are (lanes, lines at a time), and grids are (blocks of lines, tiles of columns). There are K hinges per unit and
// `total` nets in all.

#include "hinges.cuh"

// ---- o = sum_m A[k, m] phi_m(n), Eq. (3), and with_slope also do/dn, at a hinge the right-hand slope

template <typename Real, int V, bool uniform, bool with_slope>
__global__ void __launch_bounds__(256)
curve(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, long long total, int units, int K,
      int width, int linear, Real* __restrict__ o, Real* __restrict__ slope) {
    const int column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    auto* segments = shared_memory<Segment<Real>>();
    Real* table = reinterpret_cast<Real*>(segments + (K - 1) * V * LANES);
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = (column + j) % units;
    fetch_segments<V, Real>(A, nullptr, unit, K, segments);
    fetch_hinges<V, uniform>(ns, unit, K, table);
    __syncthreads();
    if (column >= width) return;

    Hinges<Real, uniform> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K, linear);
    const long long step = (long long)gridDim.x * blockDim.y * width;
    for (long long i = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * width + column; i < total; i += step) {
        const auto net = *reinterpret_cast<const Pack<Real, V>*>(n + i);
        Pack<Real, V> value, change;
        for (int j = 0; j < V; ++j) {
            const Place<Real> place = hinges[j].locate(net.at[j]);
            const Segment<Real> segment = entry_at<V>(segments, place.m, j);
            value.at[j] = segment.left + place.u * segment.rise;
            change.at[j] = net.at[j] != net.at[j] ? net.at[j] : place.inside ? segment.rise * place.inverse : Real(0);
        }
        *reinterpret_cast<Pack<Real, V>*>(o + i) = value;
        if constexpr (with_slope) *reinterpret_cast<Pack<Real, V>*>(slope + i) = change;
    }
}

// ---- g times do/dn, Eq. (18), written to `out`, which may be g itself. g: like n, or signals of rows, times weights w of units.

template <typename Real, int V, bool uniform, int of_rows>
__global__ void __launch_bounds__(256)
back(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, const Real* g,
     const Real* __restrict__ w, long long total, int units, int K, int width, int linear, Real* out) {
    const int column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    Real *slopes = shared_memory<Real>(), *table = slopes + (K + 1) * V * LANES;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = (column + j) % units;
    fetch_slopes<V, uniform>(ns, A, unit, K, linear, slopes);
    fetch_hinges<V, uniform>(ns, unit, K, table);
    __syncthreads();
    if (column >= width) return;

    Hinges<Real, uniform> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K, linear);
    const Signals<Real, V, of_rows> signals(w, unit, column, units);
    const long long step = (long long)gridDim.x * blockDim.y * width, along = of_rows ? step / units : step;
    long long i = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * width + column;
    for (const Real* given = g + (of_rows ? i / units : i); i < total; i += step, given += along) {
        const auto net = *reinterpret_cast<const Pack<Real, V>*>(n + i);
        Pack<Real, V> signal = signals.at(given);
        for (int j = 0; j < V; ++j) {
            const Real slope = entry_at<V>(slopes, hinges[j].segment(net.at[j]), j);
            signal.at[j] *= net.at[j] != net.at[j] ? net.at[j] : slope;
        }
        *reinterpret_cast<Pack<Real, V>*>(out + i) = signal;
    }
}
