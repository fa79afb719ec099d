// Sums of piecewise-linear curves over units, and of signals to their ordinates over rows, for nets n (rows x units).

#include "hinges.cuh"

// ---- y[p] = sum_k w_k o_k(n[p, k]) over a tile of units: partial[tile][p], still to be summed over tiles
//
// A lane keeps to V neighbouring units. `packs` lanes hold a row of the tile, and a warp takes as many rows side by side as it has
// room for, ROWS times over before its lanes are summed, always in the same order. Lanes that are left over repeat the first one's
// work. Blocks are (32, warps).

template <typename Real, int V, bool uniform>
__global__ void __launch_bounds__(256)
mix(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, const Real* __restrict__ w,
    long long rows, int units, int K, int packs, int linear, Real* __restrict__ partial) {
    constexpr int ROWS = 4;
    const int side = LANES / packs, tile = blockIdx.y * packs * V, count = min(packs, (units - tile) / V);
    const int group = threadIdx.x / packs, place = threadIdx.x % packs;
    const bool works = group < side && place < count;
    auto* segments = shared_memory<Segment<Real>>();
    Real* table = reinterpret_cast<Real*>(segments + (K - 1) * V * LANES);
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = tile + (works ? place * V : 0) + j;
    fetch_segments<V>(A, w, unit, K, segments);
    fetch_hinges<V, uniform>(ns, unit, K, table);
    __syncthreads();

    Hinges<Real, uniform> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K, linear);
    const int each = ROWS * side, high = each * blockDim.y;
    const long long first = (long long)blockIdx.x * high + threadIdx.y * each + (works ? group : 0), step = (long long)gridDim.x * high;
    const Real* nets = n + first * units + unit[0];
    Real* sums = partial + blockIdx.y * rows + first;
    const long long turns = (rows - (long long)blockIdx.x * high + step - 1) / step;  // the same for all lanes
    long long left = rows - first;                                                    // rows from the lane's next one on
    for (long long turn = 0; turn < turns; ++turn, left -= step, nets += step * units, sums += step) {
        const int most = int(min(left, (long long)each)) - 1;
        Pack<Real, V> net[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; ++r)  // the last row once more where there is none
            net[r] = *reinterpret_cast<const Pack<Real, V>*>(nets + (long long)min(r * side, most) * units);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const Real sum = over_lanes(sum_of_curves<V>(hinges, segments, net[r]), place, count);
            if (works && place == 0 && r * side <= most) sums[r * side] = sum;
        }
    }
}

// ---- G_a[k, m] = sum_p c[p, k] phi_m(n[p, k]), Eq. (17), for signals c, or c = v w': partial[block of lines][k][m], still to be summed
//
// Memory is seen as lines, as in curves.cu. Every thread has bins of its own, so that no thread waits for another even if all nets
// lie in one segment. The order of each sum is fixed: the thread's lines, then the threads by halves, then the rows of a line.

template <typename Real, int V, int threads, bool uniform, int of_rows>
__global__ void __launch_bounds__(threads)
scatter(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ c, const Real* __restrict__ w,
        long long total, int units, int K, int width, int linear, Real* __restrict__ partial) {
    constexpr int AHEAD = 4;  // packs that are read before the first of them is added
    const int lanes = blockDim.x, first = blockIdx.y * lanes * V, column = first + threadIdx.x * V;
    const int thread = threadIdx.y * lanes + threadIdx.x;
    Real *bins = shared_memory<Real>(), *own = bins + thread, *table = bins + K * V * threads;
    for (int b = 0; b < K * V; ++b) own[b * threads] = 0;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = (column + j) % units;
    fetch_hinges<V, uniform>(ns, unit, K, table);
    __syncthreads();

    if (column < width) {
        Hinges<Real, uniform> hinges[V];
        for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K, linear);
        const Signals<Real, V, of_rows> signals(w, unit, column, units);
        const auto add = [&](const Pack<Real, V>& net, const Pack<Real, V>& signal) {
            for (int j = 0; j < V; ++j) put<V * threads>(own + j * threads, hinges[j].locate(net.at[j]), signal.at[j]);
        };
        const long long line = (long long)blockIdx.x * blockDim.y + threadIdx.y, lines = (long long)gridDim.x * blockDim.y;
        const long long step = lines * width, along = of_rows ? step / units : step, at = line * width + column;
        long long left = total - at;  // nets from the thread's next one on
        const Real *nets = n + at, *given = c + (of_rows ? at / units : at);
        for (; left > (AHEAD - 1) * step; left -= AHEAD * step) {
            Pack<Real, V> net[AHEAD], signal[AHEAD];
#pragma unroll
            for (int a = 0; a < AHEAD; ++a, nets += step, given += along) {
                net[a] = *reinterpret_cast<const Pack<Real, V>*>(nets);
                signal[a] = signals.at(given);
            }
#pragma unroll
            for (int a = 0; a < AHEAD; ++a) add(net[a], signal[a]);
        }
        for (; left > 0; left -= step, nets += step, given += along)
            add(*reinterpret_cast<const Pack<Real, V>*>(nets), signals.at(given));
    }
    __syncthreads();

    for (int half = blockDim.y / 2; half > 0; half /= 2) {  // blockDim.y is a power of 2
        if (threadIdx.y < half)
            for (int b = 0; b < K * V; ++b) own[b * threads] += own[b * threads + half * lanes];
        __syncthreads();
    }
    const int columns = min(lanes * V, width - first), distinct = min(units, columns);  // columns and units of this tile
    for (int p = thread; p < distinct * K; p += lanes * blockDim.y) {
        Real sum = 0;
        for (int k = p / K; k < columns; k += units) sum += bins[(p % K * V + k % V) * threads + k / V];
        partial[((long long)blockIdx.x * units + first) * K + p] = sum;
    }
}
