// Sums of piecewise-linear curves, and of signals to their ordinates, for nets n = W [1, x] that are made where they are used and
// never stored. Hinges are uniform, and there are few inputs.
//
// A lane keeps to V neighbouring units. `packs` lanes hold a row, and a warp takes as many groups of ROWS rows as it has room for, as
// `mix` of curve_sums.cu takes rows. The weights of its units, and the inputs of its rows, lie in shared memory. Blocks are (32, warps).

#include "hinges.cuh"

constexpr int ROWS = 8;  // rows per lane

template <typename Real> constexpr int AT_ONCE = 16 / sizeof(Real);  // rows of an input that are moved at once

// The shares of a thread: where its lanes, units and rows are.
template <int V> struct Share {
    int count, group, place, tile, each;  // lanes that hold a row, the lane's group of rows and place in it, first unit, rows per warp
    bool works;

    __device__ Share(int packs, int units)
        : count(min(packs, (units - int(blockIdx.y) * packs * V) / V)), group(threadIdx.x / packs),
          place(threadIdx.x % packs), tile(blockIdx.y * packs * V), each(LANES / packs * ROWS), works(group < LANES / packs && place < count) {
        if (!works) group = place = 0;  // lanes that are left over repeat the first one's work
    }
};

// weights[j][lane]: those of the lane's units, thresholds first.
template <int V, typename Real> __device__ void fetch_weights(const Real* W, const int* unit, int N, Pack<Real, V>* weights) {
    for (int j = threadIdx.y; j <= N; j += blockDim.y)
        for (int k = 0; k < V; ++k) weights[j * LANES + threadIdx.x].at[k] = W[(long long)unit[k] * (N + 1) + j];
}

// inputs[j][row]: `rows` rows of x from x on, for one warp, zeros where `left` rows have come to an end.
template <typename Real> __device__ void fetch_inputs(const Real* x, int N, int rows, long long left, int pitch, Real* inputs) {
    __syncwarp();  // the warp has done with the ones before
    for (int j = threadIdx.x; j < N; j += LANES)
        for (int r = 0; r < rows; ++r) inputs[j * pitch + r] = r < left ? x[(long long)r * N + j] : Real(0);
    __syncwarp();
}

// Nets of ROWS rows. weights: the lane's column. inputs: from the lane's first row on.
template <typename Real, int V>
__device__ void make(const Pack<Real, V>* weights, const Real* inputs, int N, int pitch, Pack<Real, V>* net) {
    constexpr int Q = AT_ONCE<Real>;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) net[r] = weights[0];
#pragma unroll 4
    for (int j = 0; j < N; ++j) {
        weights += LANES;
        const Pack<Real, V> weight = weights[0];
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const Real input = reinterpret_cast<const Pack<Real, Q>*>(inputs)[r / Q].at[r % Q];
            for (int k = 0; k < V; ++k) net[r].at[k] = fma(input, weight.at[k], net[r].at[k]);
        }
        inputs += pitch;
    }
}

// ---- y[p] = sum_k w_k o_k(n[p, k]) over a tile of units: partial[tile][p], still to be summed over tiles

template <typename Real, int V>
__global__ void __launch_bounds__(256)
mix_nets(const Real* __restrict__ x, const Real* __restrict__ W, const Real* __restrict__ ns, const Real* __restrict__ A,
         const Real* __restrict__ w, long long rows, int N, int units, int K, int packs, int linear, Real* __restrict__ partial) {
    const Share<V> share(packs, units);
    const int pitch = share.each + AT_ONCE<Real>;
    auto* segments = shared_memory<Segment<Real>>();
    auto* weights = reinterpret_cast<Pack<Real, V>*>(segments + (K - 1) * V * LANES);
    Real* inputs = reinterpret_cast<Real*>(weights + (N + 1) * LANES) + threadIdx.y * N * pitch;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = share.tile + share.place * V + j;
    fetch_segments<V>(A, w, unit, K, segments);
    fetch_weights<V>(W, unit, N, weights);
    __syncthreads();

    Hinges<Real, true> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, true, Real>(ns, nullptr, unit[j], j, K, linear);
    const long long high = share.each * blockDim.y, step = gridDim.x * high;
    for (long long first = blockIdx.x * high; first < rows; first += step) {
        const long long own = first + threadIdx.y * share.each;
        fetch_inputs(x + own * N, N, share.each, rows - own, pitch, inputs);
        Pack<Real, V> net[ROWS];
        make(weights + threadIdx.x, inputs + share.group * ROWS, N, pitch, net);
        Real* sums = partial + blockIdx.y * rows + own;
        const int left = int(min(rows - own, (long long)share.each));
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const Real sum = over_lanes(sum_of_curves<V>(hinges, segments, net[r]), threadIdx.x % packs, share.count);
            const int row = share.group * ROWS + r;
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
    const Share<V> share(packs, units);
    const int pitch = share.each + AT_ONCE<Real>;
    Real *bins = shared_memory<Real>(), *own = bins + threadIdx.y * LANES + threadIdx.x;
    auto* weights = reinterpret_cast<Pack<Real, V>*>(bins + K * V * threads);
    Real* inputs = reinterpret_cast<Real*>(weights + (N + 1) * LANES) + threadIdx.y * N * pitch;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = share.tile + share.place * V + j;
    for (int b = 0; b < K * V; ++b) own[b * threads] = 0;
    fetch_weights<V>(W, unit, N, weights);
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
        fetch_inputs(x + before * N, N, share.each, rows - before, pitch, inputs);
        Pack<Real, V> net[ROWS];
        make(weights + threadIdx.x, inputs + share.group * ROWS, N, pitch, net);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const long long row = before + share.group * ROWS + r;
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
        for (int group = 0; group < LANES / packs; ++group) sum += bins[(p % K * V + k % V) * threads + group * packs + k / V];
        partial[((long long)blockIdx.x * units + share.tile) * K + p] = sum;
    }
}
