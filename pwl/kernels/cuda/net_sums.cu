// Sums of piecewise-linear curves, and of signals to their ordinates, for nets n = W [1, x] that are made where they are used and
// never stored. Hinges are uniform, and there are few inputs.
//
// A lane keeps to V neighbouring units, and a warp takes `side` rows at a time, as in `mix` of curve_sums.cu, ROWS times over. The
// weights of its units, and inputs of its rows, lie in shared memory. Inputs are filled up with zeros to a whole number of packs.
// Blocks are (32, warps).

#include "hinges.cuh"

constexpr int ROWS = 8;  // rows per lane

template <typename Real> constexpr int AT_ONCE = 16 / sizeof(Real);  // inputs that are moved at once

// The shares of a thread: where its lanes, units and rows are.
template <int V> struct Share {
    int side, count, group, place, tile, each;  // rows side by side, lanes per row, the lane's row and place in it, rows per warp
    bool works;

    __device__ Share(int packs, int units)
        : side(LANES / packs), count(min(packs, (units - int(blockIdx.y) * packs * V) / V)), group(threadIdx.x / packs),
          place(threadIdx.x % packs), tile(blockIdx.y * packs * V), each(ROWS * side), works(group < side && place < count) {
        if (!works) group = place = 0;  // lanes that are left over repeat the first one's work
    }
};

// weights[j][lane]: those of the lane's units, thresholds first, and zeros beyond the last input.
template <int V, typename Real>
__device__ void fetch_weights(const Real* W, const int* unit, int N, int wide, Pack<Real, V>* weights) {
    for (int j = threadIdx.y; j <= wide; j += blockDim.y)
        for (int k = 0; k < V; ++k) weights[j * LANES + threadIdx.x].at[k] = j <= N ? W[(long long)unit[k] * (N + 1) + j] : Real(0);
}

// A warp's inputs: `count` rows of x from x on, `wide` numbers each, zeros beyond the last row and the last input.
template <typename Real>
__device__ void fetch_inputs(const Real* x, int N, int wide, int rows, long long left, Real* inputs) {
    __syncwarp();  // the warp has done with the ones before
    for (int r = 0; r < rows; ++r)
        for (int j = threadIdx.x; j < wide; j += LANES) inputs[r * wide + j] = j < N && r < left ? x[(long long)r * N + j] : Real(0);
    __syncwarp();
}

// Nets of ROWS rows, `side` apart. weights: the lane's column. inputs: the lane's first row.
template <typename Real, int V>
__device__ void make(const Pack<Real, V>* weights, const Real* inputs, int wide, int side, Pack<Real, V>* net) {
    constexpr int Q = AT_ONCE<Real>;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) net[r] = weights[0];
    for (int j = 0; j < wide; j += Q) {
        Pack<Real, V> weight[Q];
#pragma unroll
        for (int q = 0; q < Q; ++q) weight[q] = weights[(1 + j + q) * LANES];
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const auto input = *reinterpret_cast<const Pack<Real, Q>*>(inputs + r * side * wide + j);
#pragma unroll
            for (int q = 0; q < Q; ++q)
                for (int k = 0; k < V; ++k) net[r].at[k] = fma(input.at[q], weight[q].at[k], net[r].at[k]);
        }
    }
}

// ---- y[p] = sum_k w_k o_k(n[p, k]) over a tile of units: partial[tile][p], still to be summed over tiles

template <typename Real, int V>
__global__ void __launch_bounds__(256)
mix_nets(const Real* __restrict__ x, const Real* __restrict__ W, const Real* __restrict__ ns, const Real* __restrict__ A,
         const Real* __restrict__ w, long long rows, int N, int units, int K, int packs, int linear, Real* __restrict__ partial) {
    const int wide = (N + AT_ONCE<Real> - 1) / AT_ONCE<Real> * AT_ONCE<Real>;
    const Share<V> share(packs, units);
    auto* segments = shared_memory<Segment<Real>>();
    auto* weights = reinterpret_cast<Pack<Real, V>*>(segments + (K - 1) * V * LANES);
    Real* inputs = reinterpret_cast<Real*>(weights + (wide + 1) * LANES) + threadIdx.y * share.each * wide;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = share.tile + share.place * V + j;
    fetch_segments<V>(A, w, unit, K, segments);
    fetch_weights<V>(W, unit, N, wide, weights);
    __syncthreads();

    Hinges<Real, true> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, true, Real>(ns, nullptr, unit[j], j, K, linear);
    const long long high = share.each * blockDim.y, step = gridDim.x * high;
    for (long long first = blockIdx.x * high; first < rows; first += step) {
        const long long own = first + threadIdx.y * share.each;
        fetch_inputs(x + own * N, N, wide, share.each, rows - own, inputs);
        Pack<Real, V> net[ROWS];
        make(weights + threadIdx.x, inputs + share.group * wide, wide, share.side, net);
        Real* sums = partial + blockIdx.y * rows + own;
        const int left = int(min(rows - own, (long long)share.each));
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            Real sum = 0;
            for (int j = 0; j < V; ++j) {
                const Place<Real> at = hinges[j].locate(net[r].at[j]);
                const Segment<Real> segment = entry_at<V>(segments, at.m, j);
                sum += fma(at.u, segment.rise, segment.left);
            }
            sum = over_lanes(sum, threadIdx.x % packs, share.count);
            const int row = r * share.side + share.group;
            if (share.works && share.place == 0 && row < left) sums[row] = sum;
        }
    }
}

// ---- G_a[k, m] = sum_p v_p w_k phi_m(n[p, k]), Eq. (17): partial[block][k][m], still to be summed
//
// Bins as in `scatter` of curve_sums.cu. They are summed over warps, and then over the rows that lie side by side.

template <typename Real, int V, int threads>
__global__ void __launch_bounds__(threads)
scatter_nets(const Real* __restrict__ x, const Real* __restrict__ W, const Real* __restrict__ ns, const Real* __restrict__ v,
             const Real* __restrict__ w, long long rows, int N, int units, int K, int packs, int linear, Real* __restrict__ partial) {
    const int wide = (N + AT_ONCE<Real> - 1) / AT_ONCE<Real> * AT_ONCE<Real>;
    const Share<V> share(packs, units);
    Real *bins = shared_memory<Real>(), *own = bins + threadIdx.y * LANES + threadIdx.x;
    auto* weights = reinterpret_cast<Pack<Real, V>*>(bins + K * V * threads);
    Real* inputs = reinterpret_cast<Real*>(weights + (wide + 1) * LANES) + threadIdx.y * share.each * wide;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = share.tile + share.place * V + j;
    for (int b = 0; b < K * V; ++b) own[b * threads] = 0;
    fetch_weights<V>(W, unit, N, wide, weights);
    __syncthreads();

    Hinges<Real, true> hinges[V];
    Real weight[V];
    for (int j = 0; j < V; ++j) {
        hinges[j] = hinges_of<V, true, Real>(ns, nullptr, unit[j], j, K, linear);
        weight[j] = w[unit[j]];
    }
    const long long high = share.each * blockDim.y, step = gridDim.x * high;
    for (long long first = blockIdx.x * high; first < rows; first += step) {
        const long long before = first + threadIdx.y * share.each;
        fetch_inputs(x + before * N, N, wide, share.each, rows - before, inputs);
        Pack<Real, V> net[ROWS];
        make(weights + threadIdx.x, inputs + share.group * wide, wide, share.side, net);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const long long row = before + r * share.side + share.group;
            if (row < rows) {
                const Real signal = v[row];
                for (int j = 0; j < V; ++j) put<V * threads>(own + j * threads, hinges[j].locate(net[r].at[j]), signal * weight[j]);
            }
        }
    }
    __syncthreads();

    for (int half = blockDim.y / 2; half > 0; half /= 2) {  // blockDim.y is a power of 2
        if (threadIdx.y < half)
            for (int b = 0; b < K * V; ++b) own[b * threads] += own[b * threads + half * LANES];
        __syncthreads();
    }
    for (int p = threadIdx.y * LANES + threadIdx.x; p < share.count * V * K; p += threads) {
        const int k = p / K;
        Real sum = 0;
        for (int row = 0; row < share.side; ++row) sum += bins[(p % K * V + k % V) * threads + row * packs + k / V];
        partial[((long long)blockIdx.x * units + share.tile) * K + p] = sum;
    }
}
