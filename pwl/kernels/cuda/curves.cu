// Piecewise-linear curves on nets n (rows x units), Eqs. (3)-(6), (17). Every step has the arithmetic of reference/curves.py.
//
// Memory is seen as lines of `width` nets. A line is a row, or several rows side by side if rows are short. A thread keeps to
// V neighbouring columns of the lines and walks down, so that its units never change. Its tables lie in shared memory, with a
// copy for each lane (threadIdx.x), so that lanes never meet in a bank.
//
// Blocks are (lanes, lines at a time), and grids are (blocks of lines, tiles of columns). There are K hinges per unit and
// `total` nets in all.

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction

// ---- the place of a net

template <typename Real> struct Place {
    int m;         // segment
    Real u;        // position in it; NaN for NaN, in segment 0
    Real inverse;  // 1 / width of the segment
    bool inside;   // inside the hinges, or the end segments continue
};

template <typename Real, bool uniform> struct Hinges;

template <typename Real> struct Hinges<Real, true> {
    Real first, inverse, segments;

    Hinges() = default;
    __device__ Hinges(const Real* ns, int stride, int K)
        : first(ns[0]), inverse(Real(K - 1) / (ns[(K - 1) * stride] - ns[0])), segments(Real(K - 1)) {}

    __device__ Place<Real> locate(Real n, bool linear) const {
        const Real t = (n - first) * inverse;
        Real bounded = t > 0 ? t : Real(0);  // also 0 for NaN
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

// ---- the tables of a thread

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

// Hinges of the lane's column j. Hinges that are not uniform are searched in the table.
template <int V, bool uniform, typename Real>
__device__ Hinges<Real, uniform> hinges_of(const Real* ns, const Real* table, int unit, int j, int K) {
    if constexpr (uniform) return {ns + (long long)unit * K, 1, K};
    else return {table + j * blockDim.x + threadIdx.x, V * int(blockDim.x), K};
}

// ---- o = sum_m A[k, m] phi_m(n), Eq. (3), and with_slope also do/dn, at a hinge the right-hand slope

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

// ---- signals: g (rows x units), or v_p w_k for one output's v (rows) and weights w (units)

template <typename Real, bool one> struct Signals;

template <typename Real> struct Signals<Real, false> {
    const Real* g;

    Signals() = default;
    __device__ Signals(const Real* g, const Real*, long long, int, int) : g(g) {}
    __device__ Real at(long long i, long long) const { return g[i]; }
};

// A line holds `rows` rows. A column has one unit's weight, and `v` begins at its row in the first line.
template <typename Real> struct Signals<Real, true> {
    const Real* v;
    Real weight;
    long long rows;

    Signals() = default;
    __device__ Signals(const Real* v, const Real* w, long long width, int units, int column)
        : v(v + column / units), weight(w[column % units]), rows(width / units) {}
    __device__ Real at(long long, long long line) const { return v[line * rows] * weight; }
};

// ---- g times do/dn, Eq. (18), written to `out`, which may be g itself

template <typename Real, int V, bool uniform, bool one>
__global__ void __launch_bounds__(256)
back(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, const Real* g,
     const Real* __restrict__ w, long long total, int units, int K, int width, int linear, Real* out) {
    const int stride = V * blockDim.x, column = (blockIdx.y * blockDim.x + threadIdx.x) * V;
    Real *ordinates = shared_memory<Real>(), *table = ordinates + K * stride;
    int unit[V];
    for (int j = 0; j < V; ++j) unit[j] = (column + j) % units;
    fetch<V>(A, unit, K, ordinates);
    if constexpr (!uniform) fetch<V>(ns, unit, K, table);
    __syncthreads();
    if (column >= width) return;

    Hinges<Real, uniform> hinges[V];
    Signals<Real, one> signals[V];
    for (int j = 0; j < V; ++j) {
        hinges[j] = hinges_of<V, uniform>(ns, table, unit[j], j, K);
        signals[j] = {g, w, width, units, column + j};
    }
    const long long step = (long long)gridDim.x * blockDim.y;
    for (long long line = (long long)blockIdx.x * blockDim.y + threadIdx.y;; line += step) {
        const long long i = line * width + column;
        if (i >= total) break;
        const auto net = *reinterpret_cast<const Pack<Real, V>*>(n + i);
        Pack<Real, V> signal;
        if constexpr (!one) signal = *reinterpret_cast<const Pack<Real, V>*>(g + i);
        for (int j = 0; j < V; ++j) {
            if constexpr (one) signal.at[j] = signals[j].at(i + j, line);
            const Place<Real> place = hinges[j].locate(net.at[j], linear);
            const Real* at = ordinates + place.m * stride + j * blockDim.x + threadIdx.x;
            const Real rise = at[stride] - at[0];
            signal.at[j] *= net.at[j] != net.at[j] ? net.at[j] : place.inside ? rise * place.inverse : Real(0);
        }
        *reinterpret_cast<Pack<Real, V>*>(out + i) = signal;
    }
}

// ---- y[p] = sum_k w_k o_k(n[p, k]) over a tile of units: partial[tile][p], still to be summed over tiles
//
// A warp takes a row, and a lane takes every 32nd unit of it. The lanes are always summed in the same order. Ordinates times their
// weights lie side by side, `pitch` (a multiple of 32) of them per hinge, so that lanes do not meet in a bank. Blocks are (32, rows
// at a time).

template <typename Real, bool uniform>
__global__ void __launch_bounds__(256)
mix(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ A, const Real* __restrict__ w,
    long long rows, int units, int K, int pitch, int linear, Real* __restrict__ partial) {
    const int before = blockIdx.y * pitch, own = min(pitch, units - before);  // units of the tiles before this one, and of this one
    Real *ordinates = shared_memory<Real>(), *table = ordinates + K * pitch;
    for (int k = threadIdx.x; k < own; k += blockDim.x) {
        const long long source = (long long)(before + k) * K;
        for (int m = threadIdx.y; m < K; m += blockDim.y) {
            ordinates[m * pitch + k] = w[before + k] * A[source + m];
            if constexpr (!uniform) table[m * pitch + k] = ns[source + m];
        }
        if (uniform && threadIdx.y == 0) {
            const Hinges<Real, true> hinges(ns + source, 1, K);
            table[k] = hinges.first;
            table[pitch + k] = hinges.inverse;
        }
    }
    __syncthreads();

    const long long step = (long long)gridDim.x * blockDim.y;
    for (long long first = (long long)blockIdx.x * blockDim.y; first < rows; first += step) {
        const long long row = first + threadIdx.y;
        Real sum = 0;
        if (row < rows) {
            const Real* nets = n + row * units + before;
#pragma unroll 4
            for (int k = threadIdx.x; k < own; k += 32) {
                Hinges<Real, uniform> hinges;
                if constexpr (uniform) hinges.first = table[k], hinges.inverse = table[pitch + k], hinges.segments = Real(K - 1);
                else hinges.ns = table + k, hinges.stride = pitch, hinges.K = K;
                const Place<Real> place = hinges.locate(nets[k], linear);
                const Real* at = ordinates + place.m * pitch + k;
                sum += at[0] + place.u * (at[pitch] - at[0]);
            }
        }
        for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, half);
        if (row < rows && threadIdx.x == 0) partial[blockIdx.y * rows + row] = sum;
    }
}

// ---- G_a[k, m] = sum_p c[p, k] phi_m(n[p, k]), Eq. (17), for signals c: partial[block of lines][k][m], still to be summed
//
// Every thread has bins of its own, so that no thread waits for another even if all nets lie in one segment. The order of each sum
// is fixed: the thread's lines, then the threads by halves, then the rows of a line.

template <typename Real, bool uniform, bool one>
__global__ void __launch_bounds__(256)
scatter(const Real* __restrict__ n, const Real* __restrict__ ns, const Real* __restrict__ c, const Real* __restrict__ w,
        long long total, int units, int K, int width, int linear, Real* __restrict__ partial) {
    constexpr int AHEAD = 4;  // nets that are read ahead while one is added
    const int lanes = blockDim.x, first = blockIdx.y * lanes, column = first + threadIdx.x, unit = column % units;
    const int thread = threadIdx.y * lanes + threadIdx.x, threads = lanes * blockDim.y;
    const int stride = (threads + 31) / 32 * 32;  // a thread's bins lie in one bank
    Real *bins = shared_memory<Real>(), *own = bins + thread, *table = bins + K * stride;
    for (int m = 0; m < K; ++m) own[m * stride] = 0;
    if constexpr (!uniform) fetch<1>(ns, &unit, K, table);
    __syncthreads();

    if (column < width) {
        const auto hinges = hinges_of<1, uniform>(ns, table, unit, 0, K);
        const Signals<Real, one> signals(c, w, width, units, column);
        const long long step = (long long)gridDim.x * blockDim.y;
        long long line = (long long)blockIdx.x * blockDim.y + threadIdx.y;
        for (; line * width + column < total; line += AHEAD * step) {
            Real net[AHEAD], signal[AHEAD];
#pragma unroll
            for (int a = 0; a < AHEAD; ++a) {  // signals are 0 beyond the last net
                const long long at = (line + a * step) * width + column;
                net[a] = at < total ? n[at] : Real(0);
                signal[a] = at < total ? signals.at(at, line + a * step) : Real(0);
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
