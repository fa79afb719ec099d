// Piecewise-linear curves on nets n (rows x units), Eqs. (3)-(6), (17), in the arithmetic of reference.py, step by step.
//
// Memory is seen as lines of `width` nets: a row, or several rows side by side where rows are short. A thread keeps to
// V neighbouring columns of the lines and walks down, so that its units never change. What it looks up lies in shared
// memory, a copy for each lane (threadIdx.x): wherever nets lie, lanes do not meet in a bank.
//
// Blocks are (lanes, lines at a time), grids (blocks of lines, tiles of columns). K hinges a unit; total nets in all.

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction

// ---- where a net lies

template <typename Real> struct Place {
    int m;         // segment
    Real u;        // position in it; NaN for NaN, in segment 0
    Real inverse;  // 1 / width of the segment
    bool inside;   // the hinges, or the end segments are continued
};

template <typename Real, bool uniform> struct Hinges;

template <typename Real> struct Hinges<Real, true> {
    Real first, inverse, segments;

    Hinges() = default;
    __device__ Hinges(const Real* ns, int stride, int K)
        : first(ns[0]), inverse(Real(K - 1) / (ns[(K - 1) * stride] - ns[0])), segments(Real(K - 1)) {}

    __device__ Place<Real> locate(Real n, bool linear) const {
        const Real t = (n - first) * inverse;
        Real bounded = t > 0 ? t : Real(0);  // 0 for NaN, too
        bounded = bounded < segments ? bounded : segments;
        const int passed = int(bounded), last = int(segments) - 1, m = passed < last ? passed : last;
        return {m, (linear || t != t ? t : bounded) - Real(m), inverse, linear || (t >= 0 && t < segments)};
    }
};

template <typename Real> struct Hinges<Real, false> {
    const Real* ns;
    int stride, K;

    Hinges() = default;
    __device__ Hinges(const Real* ns, int stride, int K) : ns(ns), stride(stride), K(K) {}

    __device__ Place<Real> locate(Real n, bool linear) const {
        const Real first = ns[0], end = ns[(K - 1) * stride];
        const Real x = linear ? n : n < first ? first : n > end ? end : n;
        int m = 0;
        for (int above = K - 1; above - m > 1;) {
            const int middle = (m + above) / 2;
            (x >= ns[middle * stride] ? m : above) = middle;
        }
        const Real low = ns[m * stride], inverse = 1 / (ns[(m + 1) * stride] - low);
        return {m, (x - low) * inverse, inverse, linear || (n >= first && n < end)};
    }
};

// ---- what a thread keeps to

template <typename Real> __device__ Real* shared_memory() {
    extern __shared__ __align__(16) unsigned char memory[];
    return reinterpret_cast<Real*>(memory);
}

// table[(m * V + j) * lanes + lane] = source[unit of the lane's column j][m]
template <int V, typename Real>
__device__ void fetch(const Real* source, const int* unit, int K, Real* table) {
    for (int m = threadIdx.y; m < K; m += blockDim.y)
        for (int j = 0; j < V; ++j)
            table[(m * V + j) * blockDim.x + threadIdx.x] = source[(long long)unit[j] * K + m];
}

// Hinges of the lane's column j; those that are searched lie in the table.
template <int V, bool uniform, typename Real>
__device__ Hinges<Real, uniform> hinges_of(const Real* ns, const Real* table, int unit, int j, int K) {
    if constexpr (uniform) return {ns + (long long)unit * K, 1, K};
    else return {table + j * blockDim.x + threadIdx.x, V * int(blockDim.x), K};
}

// ---- o = sum_m A[k, m] phi_m(n), Eq. (3), and where wanted do/dn, at a hinge the right-hand slope

template <typename Real, int V, bool uniform, bool with_slope>
__global__ void __launch_bounds__(256)
curve(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, long long total, int units, int K,
      int width, int linear, Real* __restrict__ o, Real* __restrict__ slope) {
    const int stride = V * blockDim.x, column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    Real *ordinates = shared_memory<Real>(), *table = ordinates + K * stride;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = (column + j) % units;
    fetch<V>(A, unit, K, ordinates);
    if constexpr (!uniform) fetch<V>(ns, unit, K, table);
    __syncthreads();
    if (column >= width) return;

    Hinges<Real, uniform> hinges[V];
    for (int j = 0; j < V; ++j) hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K);
    const long long step = (long long)gridDim.x * blockDim.y * width;
    for (long long i = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * width + column; i < total; i += step) {
        const auto net = *reinterpret_cast<const Pack<Real, V>*>(n + i);
        Pack<Real, V> value, change;
        for (int j = 0; j < V; ++j) {
            const Place<Real> place = hinges[j].locate(net.at[j], linear);
            const Real* at = ordinates + place.m * stride + j * blockDim.x + threadIdx.x;
            const Real left = at[0], rise = at[stride] - left;
            value.at[j] = left + place.u * rise;
            change.at[j] = net.at[j] != net.at[j] ? net.at[j] : place.inside ? rise * place.inverse : Real(0);
        }
        *reinterpret_cast<Pack<Real, V>*>(o + i) = value;
        if constexpr (with_slope) *reinterpret_cast<Pack<Real, V>*>(slope + i) = change;
    }
}

// ---- G_a[k, m] = sum_p c[p, k] phi_m(n[p, k]), Eq. (17): partial[block of lines][k][m], still to be summed over blocks
//
// Every thread has bins of its own, so that none waits for another though all nets lie in one segment, and each sum has one
// order: the thread's lines, then threads by halves, then the rows of a line.

template <typename Real, bool uniform>
__global__ void __launch_bounds__(256)
scatter(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ c, long long total, int units, int K,
        int width, int linear, Real* __restrict__ partial) {
    constexpr int AHEAD = 4;  // nets under way while one is added
    const int lanes = blockDim.x, first = blockIdx.y * lanes, column = first + threadIdx.x, unit = column % units;
    const int thread = threadIdx.y * lanes + threadIdx.x, threads = lanes * blockDim.y;
    const int stride = (threads + 31) / 32 * 32;  // a thread's bins lie in one bank
    Real *bins = shared_memory<Real>(), *own = bins + thread, *table = bins + K * stride;
    for (int m = 0; m < K; ++m) own[m * stride] = 0;
    if constexpr (!uniform) fetch<1>(ns, &unit, K, table);
    __syncthreads();

    if (column < width) {
        const auto hinges = hinges_of<1, uniform>(ns, table, unit, 0, K);
        const long long step = (long long)gridDim.x * blockDim.y * width;
        long long i = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * width + column;
        for (; i < total; i += AHEAD * step) {
            Real net[AHEAD], signal[AHEAD];
#pragma unroll
            for (int a = 0; a < AHEAD; ++a) {  // beyond the last net, signals of 0
                const long long at = i + a * step;
                net[a] = at < total ? n[at] : Real(0);
                signal[a] = at < total ? c[at] : Real(0);
            }
#pragma unroll
            for (int a = 0; a < AHEAD; ++a) {
                const Place<Real> place = hinges.locate(net[a], linear);
                const Real right = signal[a] * place.u, left = signal[a] - right;
                Real* bin = own + place.m * stride;
                const Real before = bin[0], after = bin[stride];
                bin[0] = before + left;
                bin[stride] = after + right;
            }
        }
    }
    __syncthreads();

    for (int half = blockDim.y / 2; half > 0; half /= 2) {  // blockDim.y is a power of 2
        if (threadIdx.y < half)
            for (int m = 0; m < K; ++m) own[m * stride] += own[m * stride + half * lanes];
        __syncthreads();
    }
    const int distinct = min(min(units, lanes), width - first);  // units of this tile
    for (int p = thread; p < distinct * K; p += threads) {
        Real sum = 0;
        for (int lane = p / K; lane < lanes; lane += units) sum += bins[p % K * stride + lane];
        partial[((long long)blockIdx.x * units + first) * K + p] = sum;
    }
}
