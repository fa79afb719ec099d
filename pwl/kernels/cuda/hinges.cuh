// What the kernels of curves share: nets moved side by side, the segment of a net, and tables in shared memory, Eqs. (3)-(6).
// Places and values have the arithmetic of reference/curves.py.

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction
template <typename Real> struct alignas(2 * sizeof(Real)) Segment { Real left, rise; };  // o = left + u rise

constexpr int LANES = 32;  // a table has a copy per lane, so that lanes never meet in a bank

// ---- numbers

template <typename Real> __device__ Real infinity() { return -log(Real(0)); }

__device__ inline float larger(float a, float b) { return fmax(a, b); }  // b if a is NaN
__device__ inline double larger(double a, double b) { return a > b ? a : b; }
__device__ inline float smaller(float a, float b) { return fmin(a, b); }
__device__ inline double smaller(double a, double b) { return a < b ? a : b; }

// a within [low, high]; NaN stays NaN
__device__ inline double bounded(double a, double low, double high) { return a < low ? low : a > high ? high : a; }
__device__ inline float bounded(float a, float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("max.NaN.f32 %0, %0, %1;\n\tmin.NaN.f32 %0, %0, %2;" : "+f"(a) : "f"(low), "f"(high));
    return a;
#else
    return a < low ? low : a > high ? high : a;
#endif
}

// a + offset rounded down, and the same as a floating-point number. At 2^23 (2^52) there is no room for a fraction.
template <int offset> __device__ unsigned rounded_down(float a, float& whole) {
    const float sum = __fadd_rd(a, 8388608.0f + offset);
    whole = sum - 8388608.0f;
    return __float_as_uint(sum) - 0x4B000000u;
}
template <int offset> __device__ unsigned rounded_down(double a, double& whole) {
    const double sum = __dadd_rd(a, 4503599627370496.0 + offset);
    whole = sum - 4503599627370496.0;
    return unsigned(__double2loint(sum));
}

// ---- the place of a net among the hinges of its unit

template <typename Real> struct Place {
    unsigned m;    // segment
    Real u;        // position in it; NaN for NaN, in segment 0
    Real inverse;  // 1 / width of the segment
    bool inside;   // inside the hinges, or the end segments continue; true for NaN
};

template <typename Real, bool uniform> struct Hinges;

template <typename Real> struct Hinges<Real, true> {
    Real first, inverse, last, low, high, end;

    Hinges() = default;
    __device__ Hinges(const Real* ns, int stride, int K, bool linear)
        : first(ns[0]), inverse(Real(K - 1) / (ns[(K - 1) * stride] - ns[0])), last(Real(K - 2)),
          low(linear ? -infinity<Real>() : Real(0)), high(linear ? infinity<Real>() : Real(1)),
          end(linear ? infinity<Real>() - infinity<Real>() : Real(K - 1)) {}

    __device__ Place<Real> locate(Real n) const {
        const Real t = (n - first) * inverse;
        Real whole;
        const unsigned m = rounded_down<0>(smaller(larger(t, Real(0)), last), whole);
        return {m, bounded(t - whole, low, high), inverse, !(t < low || t >= end)};
    }

    // Segment + 1, 0 below the hinges and K above
    __device__ unsigned segment(Real n) const {
        Real whole;
        return rounded_down<1>(smaller(larger((n - first) * inverse, Real(-1)), last + 1), whole);
    }

    __device__ Real inverse_of(int) const { return inverse; }
};

template <typename Real> struct Hinges<Real, false> {
    const Real* ns;
    int stride, K;
    bool linear;

    Hinges() = default;
    __device__ Hinges(const Real* ns, int stride, int K, bool linear) : ns(ns), stride(stride), K(K), linear(linear) {}

    __device__ unsigned search(Real n) const {
        int m = 0;
        for (int above = K - 1; above - m > 1;) {
            const int middle = (m + above) / 2;
            (n >= ns[middle * stride] ? m : above) = middle;
        }
        return m;
    }

    __device__ Place<Real> locate(Real n) const {
        const Real first = ns[0], end = ns[(K - 1) * stride];
        const Real x = linear ? n : bounded(n, first, end);
        const unsigned m = search(x);
        const Real inverse = inverse_of(m);
        return {m, (x - ns[m * stride]) * inverse, inverse, linear || !(n < first || n >= end)};
    }

    __device__ unsigned segment(Real n) const { return n < ns[0] ? 0 : n >= ns[(K - 1) * stride] ? K : search(n) + 1; }

    __device__ Real inverse_of(int m) const { return 1 / (ns[(m + 1) * stride] - ns[m * stride]); }
};

// ---- the tables of a lane, which keeps to V units

template <typename Type> __device__ Type* shared_memory() {
    extern __shared__ __align__(16) unsigned char memory[];
    return reinterpret_cast<Type*>(memory);
}

// Entry m of unit j for each lane.
template <int V> __device__ int entry(int m, int j) { return (m * V + j) * LANES + threadIdx.x; }

// The same of a segment that a net has found. The address is one multiply-add of bytes.
template <int V, typename Type> __device__ const Type& entry_at(const Type* table, unsigned m, int j) {
    const unsigned bytes = m * unsigned(V * LANES * sizeof(Type)) + threadIdx.x * unsigned(sizeof(Type));
    return *reinterpret_cast<const Type*>(reinterpret_cast<const char*>(table) + bytes + j * LANES * sizeof(Type));
}

// Segments of curves times w, or of curves themselves if w is null. They lie `K - 1` entries long.
template <int V, typename Real>
__device__ void fetch_segments(const Real* A, const Real* w, const int* unit, int K, Segment<Real>* segments) {
    for (int m = threadIdx.y; m < K - 1; m += blockDim.y)
        for (int j = 0; j < V; ++j) {
            const Real* ordinates = A + (long long)unit[j] * K + m;
            const Real weight = w ? w[unit[j]] : Real(1), left = weight * ordinates[0];
            segments[entry<V>(m, j)] = {left, weight * ordinates[1] - left};
        }
}

// Slopes of segments, K + 1 entries: before the first and beyond the last segment they are 0, or continue.
template <int V, bool uniform, typename Real>
__device__ void fetch_slopes(const Real* ns, const Real* A, const int* unit, int K, bool linear, Real* slopes) {
    for (int s = threadIdx.y; s <= K; s += blockDim.y)
        for (int j = 0; j < V; ++j) {
            const int m = s < 1 ? 0 : s < K ? s - 1 : K - 2;
            const long long before = (long long)unit[j] * K;
            const Hinges<Real, uniform> hinges(ns + before, 1, K, linear);
            const Real rise = A[before + m + 1] - A[before + m];
            slopes[entry<V>(s, j)] = linear || (s > 0 && s < K) ? rise * hinges.inverse_of(m) : Real(0);
        }
}

// Hinges, K entries, where they are searched.
template <int V, bool uniform, typename Real> __device__ void fetch_hinges(const Real* ns, const int* unit, int K, Real* table) {
    if constexpr (!uniform)
        for (int m = threadIdx.y; m < K; m += blockDim.y)
            for (int j = 0; j < V; ++j) table[entry<V>(m, j)] = ns[(long long)unit[j] * K + m];
}

// Hinges of the lane's unit j: what a uniform grid needs of them in registers, or the table.
template <int V, bool uniform, typename Real>
__device__ Hinges<Real, uniform> hinges_of(const Real* ns, const Real* table, int unit, int j, int K, bool linear) {
    if constexpr (uniform) return {ns + (long long)unit * K, 1, K, linear};
    else return {table + entry<V>(0, j), V * LANES, K, linear};
}

// ---- the signals of V neighbouring nets: as many numbers side by side, or numbers of their rows times weights of their units

// of_rows: 0 for the former; of the latter 1 if the nets lie in one row, and V if they may lie in several.
template <typename Real, int V, int of_rows> struct Signals {
    Real weight[V];
    int row[of_rows > 1 ? V : 1];  // of each net, counted from the first one's

    __device__ Signals(const Real* w, const int* unit, int column, int units) {
        for (int j = 0; j < V; ++j) {
            weight[j] = of_rows ? w[unit[j]] : Real(1);
            if (of_rows > 1 || j == 0) row[j] = of_rows > 1 ? (column + j) / units - column / units : 0;
        }
    }

    __device__ Pack<Real, V> at(const Real* first) const {
        if constexpr (of_rows == 0) return *reinterpret_cast<const Pack<Real, V>*>(first);
        else {
            Pack<Real, V> found;
            for (int j = 0; j < V; ++j) found.at[j] = first[row[of_rows > 1 ? j : 0]] * weight[j];
            return found;
        }
    }
};

// ---- sums

// One net's signal c put into its two bins, `pitch` apart, Eq. (17).
template <int pitch, typename Real> __device__ void put(Real* bins, const Place<Real>& place, Real c) {
    const Real right = c * place.u, left = c - right;
    Real* bin = bins + place.m * pitch;
    const Real before = bin[0], after = bin[pitch];
    bin[0] = before + left;
    bin[pitch] = after + right;
}

// The sum of the curves at V neighbouring nets, whose segments are times the units' weights.
template <int V, typename Real, bool uniform>
__device__ Real sum_of_curves(const Hinges<Real, uniform>* hinges, const Segment<Real>* segments, const Pack<Real, V>& net) {
    Real sum = 0;
    for (int j = 0; j < V; ++j) {
        const Place<Real> at = hinges[j].locate(net.at[j]);
        const Segment<Real> segment = entry_at<V>(segments, at.m, j);
        sum += fma(at.u, segment.rise, segment.left);
    }
    return sum;
}

// The sum over the first `count` lanes of the lane's group, for the group's first lane. `place` is the lane's place in it.
template <typename Real> __device__ Real over_lanes(Real sum, int place, int count) {
#pragma unroll
    for (int half = LANES / 2; half > 0; half /= 2) {
        const Real other = __shfl_down_sync(0xFFFFFFFFu, sum, half);
        if (place + half < count) sum += other;
    }
    return sum;
}
