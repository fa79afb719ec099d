// Convolution of images (Nv, height, width, channels), Eq. (53), and its gradient with respect to the weights, as convolution.py
// specifies them. Both are matrix products, and the matrix of patches is never stored.
//
// A block computes a tile of the result, TM x TN, and a thread keeps 8 x 4 R numbers of it in registers. The multiply-adds are
// fused whatever the compiler's options. Each step along the sums is DEEP long. There are two tiles in shared memory, and while
// one is multiplied the next is fetched. Windows kv x kh move by sv, sh, and their pixels are dv, dh apart. The images have `top`
// rows and `left` columns of zeros before them. An image has H x wide places.

constexpr int DEEP = 8, ROWS = 8;

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction
template <typename Real> struct alignas(16) Four { Real at[4]; };

template <typename Real> __device__ Real* shared_memory() {
    extern __shared__ __align__(16) unsigned char memory[];
    return reinterpret_cast<Real*>(memory);
}

// Fours of columns per thread. More would not fit in its registers.
template <typename Real, int TN> constexpr int FOURS = sizeof(Real) == 4 && TN >= 64 ? 2 : 1;
template <typename Real, int TM, int TN> constexpr int THREADS = TM / ROWS * TN / (4 * FOURS<Real, TN>);

template <typename Real> __device__ void swap(Real*& a, Real*& b) { Real* const kept = a; a = b, b = kept; }

// A thread's share of a tile: its rows and columns, in fours, and its sums.
template <typename Real, int TM, int TN> struct Share {
    static constexpr int R = FOURS<Real, TN>;
    const int across = threadIdx.x % (TN / (4 * R)) * 4, down = threadIdx.x / (TN / (4 * R)) * 4;
    Real sum[ROWS][4 * R] = {};

    __device__ int row(int i) const { return i / 4 * (TM / 2) + down + i % 4; }

    // One step along the sums: tiles (DEEP, TM) and, behind it, (DEEP, TN).
    __device__ void multiply(const Real* left) {
        const Real* right = left + DEEP * TM;
#pragma unroll
        for (int k = 0; k < DEEP; ++k) {
            Four<Real> a[2], b[R];
            for (int h = 0; h < 2; ++h) a[h] = *reinterpret_cast<const Four<Real>*>(left + k * TM + h * (TM / 2) + down);
            for (int h = 0; h < R; ++h) b[h] = *reinterpret_cast<const Four<Real>*>(right + k * TN + h * (TN / R) + across);
#pragma unroll
            for (int i = 0; i < ROWS; ++i)
#pragma unroll
                for (int j = 0; j < 4 * R; ++j) sum[i][j] = fma(a[i / 4].at[i % 4], b[j / 4].at[j % 4], sum[i][j]);
        }
    }

    // Writes row i to `out`, V columns at a time. The matrix has `columns` columns, and the tile begins at `first`.
    template <int V> __device__ void put(int i, int first, int columns, const Real* added, Real* out) const {
        for (int j = 0; j < 4 * R; j += V) {
            const int column = first + j / 4 * (TN / R) + across + j % 4;
            if (column >= columns) continue;
            Pack<Real, V> pack;
            for (int v = 0; v < V; ++v) pack.at[v] = sum[i][j + v] + (added ? added[column + v] : Real(0));
            *reinterpret_cast<Pack<Real, V>*>(out + column) = pack;
        }
    }
};

// The right side of a tile, from a matrix (.., columns): DEEP rows from `row` on, TN columns, and zeros beyond the end.
template <typename Real, int V, int TN, int ALL> struct Right {
    static constexpr int PACKS = DEEP * TN / V, COUNT = (PACKS + ALL - 1) / ALL;
    Pack<Real, V> pack[COUNT];

    __device__ void fetch(const Real* matrix, int columns, int first, long long row, long long rows) {
        for (int q = 0; q < COUNT; ++q) {
            const int at = threadIdx.x + q * ALL, k = at / (TN / V), column = first + at % (TN / V) * V;
            pack[q] = {};
            if (at < PACKS && row + k < rows && column < columns)
                pack[q] = *reinterpret_cast<const Pack<Real, V>*>(matrix + (row + k) * columns + column);
        }
    }
    __device__ void store(Real* tile) const {
        for (int q = 0; q < COUNT; ++q) {
            const int at = threadIdx.x + q * ALL;
            if (at < PACKS) *reinterpret_cast<Pack<Real, V>*>(tile + at * V) = pack[q];
        }
    }
};

// out (places, filters): patches of x times W (window places x channels, filters), plus thresholds. V divides channels and filters.
template <typename Real, int V, int TM, int TN>
__global__ void __launch_bounds__(THREADS<Real, TM, TN>, 512 / THREADS<Real, TM, TN>)
convolve(const Real* __restrict__ x, const Real* __restrict__ W, const Real* __restrict__ threshold, long long places, int height,
         int width, int channels, int filters, int H, int wide, int kv, int kh, int sv, int sh, int dv, int dh, int top, int left,
         Real* __restrict__ out) {
    constexpr int ALL = THREADS<Real, TM, TN>, COUNT = DEEP * TM / ALL;  // inputs that a thread fetches for its place
    const int m = threadIdx.x % TM, own = threadIdx.x / TM * COUNT, inputs = kv * kh * channels, first = blockIdx.y * TN;
    const long long place = (long long)blockIdx.x * TM + m;
    const Real* image = x + place / (H * wide) * height * width * channels;
    const int i = place < places ? int(place % (H * wide)) / wide * sv - top : -height - kv * dv;  // outside the image
    const int j = int(place % wide) * sh - left;
    int row = i + own / channels / kh * dv, column = j + own / channels % kh * dh, c = own % channels;  // of the next input

    const auto advance = [&](int by) {
        for (c += by; c >= channels; c -= channels)
            if ((column += dh) == j + kh * dh) column = j, row += dv;
    };
    Pack<Real, V> seen[COUNT / V];
    Right<Real, V, TN, ALL> right;
    const auto fetch = [&](int k) {
        for (int q = 0; q < COUNT / V; ++q, advance(V)) {
            seen[q] = {};
            if (k + own + q * V < inputs && row >= 0 && row < height && column >= 0 && column < width)
                seen[q] = *reinterpret_cast<const Pack<Real, V>*>(image + (row * width + column) * channels + c);
        }
        if (COUNT < DEEP) advance(DEEP - COUNT);
        right.fetch(W, filters, first, k, inputs);
    };
    const auto store = [&](Real* tiles) {
        for (int q = 0; q < COUNT; ++q) tiles[(own + q) * TM + m] = seen[q / V].at[q % V];
        right.store(tiles + DEEP * TM);
        __syncthreads();
    };

    Share<Real, TM, TN> share;
    Real *tiles = shared_memory<Real>(), *others = tiles + DEEP * (TM + TN);
    fetch(0);
    store(tiles);
    for (int k = DEEP; k < inputs; k += DEEP) {
        fetch(k);
        share.multiply(tiles);
        store(others);
        swap(tiles, others);
    }
    share.multiply(tiles);
    for (int row = 0; row < ROWS; ++row) {
        const long long at = (long long)blockIdx.x * TM + share.row(row);
        if (at < places) share.template put<V>(row, first, filters, threshold, out + at * filters);
    }
}

// partial[part][input][filter], still to be summed over parts. Each part sums the patches' inputs times g (places, filters) over
// `each` places, a multiple of DEEP. V divides channels and filters.
template <typename Real, int V, int TM, int TN>
__global__ void __launch_bounds__(THREADS<Real, TM, TN>, 512 / THREADS<Real, TM, TN>)
correlate(const Real* __restrict__ x, const Real* __restrict__ g, long long places, int each, int height, int width, int channels,
          int filters, int H, int wide, int kv, int kh, int sv, int sh, int dv, int dh, int top, int left,
          Real* __restrict__ partial) {
    constexpr int ALL = THREADS<Real, TM, TN>, LANES = TM / V, STEP = ALL / LANES, COUNT = DEEP / STEP;
    static_assert(STEP * LANES == ALL && COUNT * STEP == DEEP, "threads share the places of a step out evenly");
    const int inputs = kv * kh * channels, high = (inputs + TM - 1) / TM;
    const int above = blockIdx.x % high * TM, first = blockIdx.x / high * TN;
    const int m = threadIdx.x % LANES * V, own = threadIdx.x / LANES, input = above + m, c = input % channels;
    const int down = input / channels / kh * dv - top, along = input / channels % kh * dh - left;
    const long long begin = (long long)blockIdx.y * each, end = min(begin + each, places);
    long long place = begin + own;  // the next place, at i, j of an image
    const Real* image = x + place / (H * wide) * height * width * channels;
    int i = int(place % (H * wide)) / wide, j = int(place % wide);

    const auto advance = [&](int by) {
        place += by;
        for (j += by; j >= wide; j -= wide)
            if (++i == H) i = 0, image += (long long)height * width * channels;
    };
    Pack<Real, V> seen[COUNT];
    Right<Real, V, TN, ALL> right;
    const auto fetch = [&](long long k) {
        for (int q = 0; q < COUNT; ++q, advance(STEP)) {
            const int row = i * sv + down, column = j * sh + along;
            seen[q] = {};
            if (place < end && input < inputs && row >= 0 && row < height && column >= 0 && column < width)
                seen[q] = *reinterpret_cast<const Pack<Real, V>*>(image + (row * width + column) * channels + c);
        }
        right.fetch(g, filters, first, k, end);
    };
    const auto store = [&](Real* tiles) {
        for (int q = 0; q < COUNT; ++q) *reinterpret_cast<Pack<Real, V>*>(tiles + (own + q * STEP) * TM + m) = seen[q];
        right.store(tiles + DEEP * TM);
        __syncthreads();
    };

    Share<Real, TM, TN> share;
    Real *tiles = shared_memory<Real>(), *others = tiles + DEEP * (TM + TN);
    fetch(begin);
    store(tiles);
    for (long long k = begin + DEEP; k < end; k += DEEP) {
        fetch(k);
        share.multiply(tiles);
        store(others);
        swap(tiles, others);
    }
    share.multiply(tiles);
    for (int row = 0; row < ROWS; ++row) {
        const int at = above + share.row(row);
        if (at < inputs)
            share.template put<V>(row, first, filters, nullptr, partial + ((long long)blockIdx.y * inputs + at) * filters);
    }
}
