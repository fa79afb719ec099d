// Curves on inputs, Eqs. (67)-(70), as reference/input_curves.py specifies them. An input x[p, j] touches two hinges of its own K,
// with the shares 1 - u and u. Tables have K rows for each input, `hinges` in all.
//
// A block sums some inputs, `count` from `first` on, whose part of a table fits into shared memory. All sums have one order.

#include "hinges.cuh"

// ---- places: `at`, the hinge on the left, counted through the hinges of all inputs, and u
//
// Lines, lanes and blocks are as in curves.cu, and a lane keeps to one input. Hinges that do not fit are searched where they are.

template <typename Real, bool fits>
__global__ void __launch_bounds__(256)
places(const Real* __restrict__ x, const Real* __restrict__ ns, long long total, int inputs, int K, int width, int linear,
       int* __restrict__ at, Real* __restrict__ u) {
    const int column = blockIdx.y * blockDim.x + threadIdx.x, input = column % inputs;
    Real* table = shared_memory<Real>();
    if constexpr (fits) fetch_hinges<1, false>(ns, &input, K, table);
    __syncthreads();
    if (column >= width) return;
    const Hinges<Real, false> hinges(fits ? table + entry<1>(0, 0) : ns + input * K, fits ? LANES : 1, K, linear);
    const long long step = (long long)gridDim.x * blockDim.y * width;
    for (long long i = ((long long)blockIdx.x * blockDim.y + threadIdx.y) * width + column; i < total; i += step) {
        const Place<Real> place = hinges.locate(x[i]);
        at[i] = input * K + int(place.m);
        u[i] = place.u;
    }
}

// ---- n (rows x units) + the curves of some inputs with ordinates A (hinges x units), Eq. (68)
//
// A lane keeps to V neighbouring units. Blocks are (lanes, rows at a time), and grids are (blocks of rows, tiles of units).

template <typename Real, int V>
__global__ void __launch_bounds__(256)
add(const int* __restrict__ at, const Real* __restrict__ u, const Real* __restrict__ A, long long rows, int inputs, int first,
    int count, int K, int units, Real* __restrict__ n) {
    const int pitch = blockDim.x * V, before = blockIdx.y * pitch, own = min(pitch, units - before);
    Real* table = shared_memory<Real>();
    for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < count * K * pitch; i += blockDim.x * blockDim.y)
        table[i] = i % pitch < own ? A[(long long)(first * K + i / pitch) * units + before + i % pitch] : Real(0);
    __syncthreads();
    const int lane = threadIdx.x * V;
    if (lane >= own) return;
    const Pack<Real, V>* mine = reinterpret_cast<const Pack<Real, V>*>(table + lane);
    const long long step = (long long)gridDim.x * blockDim.y;
    for (long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y; row < rows; row += step) {
        auto& to = *reinterpret_cast<Pack<Real, V>*>(n + row * units + before + lane);
        Pack<Real, V> sum = to;
        const long long place = row * inputs + first;
#pragma unroll 4
        for (int j = 0; j < count; ++j) {
            const Real share = u[place + j], rest = 1 - share;
            const int m = at[place + j] - first * K;
            const Pack<Real, V> left = mine[m * int(blockDim.x)], right = mine[(m + 1) * int(blockDim.x)];
            for (int v = 0; v < V; ++v) sum.at[v] = fma(share, right.at[v], fma(rest, left.at[v], sum.at[v]));
        }
        to = sum;
    }
}

// ---- partial[block][hinge][column]: phi_m c summed over `each` patterns, for c (rows x columns), still to be summed, Eq. (69)
//
// A thread keeps to a column and, if there are few columns, to one of several shares of the patterns, `lanes` / `own` of them.
// threadIdx.y takes every blockDim.y-th input. No two threads have a bin in common. Grids are (parts, tiles of columns).

template <typename Real>
__global__ void __launch_bounds__(256)
scatter(const int* __restrict__ at, const Real* __restrict__ u, const Real* __restrict__ c, long long rows, long long each,
        int inputs, int first, int count, int K, int hinges, int columns, int own, Real* __restrict__ partial) {
    constexpr int AHEAD = 4;  // patterns that are read ahead
    const int lanes = blockDim.x, thread = threadIdx.y * lanes + threadIdx.x, threads = lanes * blockDim.y;
    const int before = blockIdx.y * own, column = before + threadIdx.x % own, shares = lanes / own;
    Real *bins = shared_memory<Real>(), *mine = bins + threadIdx.x;
    for (int i = thread; i < count * K * lanes; i += threads) bins[i] = 0;
    __syncthreads();

    const long long begin = blockIdx.x * each, end = min(begin + each, rows), step = (long long)AHEAD * shares;
    if (column < columns)
        for (int j = first + threadIdx.y; j < first + count; j += blockDim.y)
            for (long long p = begin + threadIdx.x / own; p < end; p += step) {
                Real share[AHEAD], signal[AHEAD];
                int m[AHEAD];
#pragma unroll
                for (int a = 0; a < AHEAD; ++a) {  // signals are 0 beyond the last pattern
                    const long long q = p + a * shares;
                    const bool there = q < end;
                    m[a] = there ? at[q * inputs + j] - first * K : 0;
                    share[a] = there ? u[q * inputs + j] : Real(0);
                    signal[a] = there ? c[q * columns + column] : Real(0);
                }
#pragma unroll
                for (int a = 0; a < AHEAD; ++a) {
                    const Real right = signal[a] * share[a], left = signal[a] - right;
                    Real* bin = mine + m[a] * lanes;
                    const Real low = bin[0], high = bin[lanes];
                    bin[0] = low + left;
                    bin[lanes] = high + right;
                }
            }
    __syncthreads();

    for (int i = thread; i < count * K * own; i += threads) {
        const int m = i / own, k = i % own;
        if (before + k >= columns) continue;
        Real sum = 0;
        for (int share = 0; share < shares; ++share) sum += bins[m * lanes + share * own + k];
        partial[((long long)blockIdx.x * hinges + first * K + m) * columns + before + k] = sum;
    }
}

// ---- partial[block][hinge][hinge]: w phi phi' summed over `each` patterns, still to be summed, Eq. (70)
//
// A thread has K x K bins of its own for two inputs. The result is symmetric to the bit: the later input comes first, and if both
// are one, two entries are equal.

template <typename Real>
__global__ void __launch_bounds__(256)
pairs(const int* __restrict__ at, const Real* __restrict__ u, const Real* __restrict__ w, long long rows, long long each,
      int inputs, int K, int weighted, Real* __restrict__ partial) {
    const int threads = blockDim.x, pair = blockIdx.y * threads + threadIdx.x, j = pair / inputs, i = pair % inputs;
    Real* bins = shared_memory<Real>() + threadIdx.x;
    if (j >= inputs) return;
    const int a = max(i, j), b = min(i, j), hinges = inputs * K;
    for (int m = 0; m < K * K; ++m) bins[m * threads] = 0;
    const long long begin = blockIdx.x * each, end = min(begin + each, rows);
    for (long long p = begin; p < end; ++p) {
        const long long row = p * inputs;
        const Real weight = weighted ? w[p] : Real(1), right = u[row + a] * weight, left = weight - right;
        const Real share = u[row + b], rest = 1 - share;
        Real* bin = bins + ((at[row + a] - a * K) * K + at[row + b] - b * K) * threads;
        Real* next = bin + K * threads;
        const Real found[4] = {bin[0], bin[threads], next[0], next[threads]};
        bin[0] = found[0] + left * rest;
        bin[threads] = found[1] + left * share;
        next[0] = found[2] + (a == b ? left * share : right * rest);
        next[threads] = found[3] + right * share;
    }
    Real* to = partial + (long long)blockIdx.x * hinges * hinges;
    for (int m = 0; m < K * K; ++m) {
        const int row = j == a ? m / K : m % K, column = j == a ? m % K : m / K;
        to[(long long)(j * K + row) * hinges + i * K + column] = bins[m * threads];
    }
}

// ---- between weights and ordinates
//
// A thread takes one input and one column. Input j has the rises begin[j] .. begin[j + 1] - 1, and K hinges ns, one of which is before
// the first rise. The rise m of an input ends at its hinge m + 2.

// A (hinges x units) of weights W (units x (1 + inputs + rises)), Eq. (68)
template <typename Real>
__global__ void __launch_bounds__(256)
ordinates(const Real* __restrict__ W, const Real* __restrict__ ns, const Real* __restrict__ mean, const Real* __restrict__ scale,
          const int* __restrict__ begin, int inputs, int K, int units, Real* __restrict__ A) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x, unit = thread % units, j = thread / units;
    if (j >= inputs) return;
    const Real *row = W + (long long)unit * (1 + inputs + begin[inputs]), *own = row + 1 + inputs;
    const Real slope = row[1 + j];
    Real level = j == 0 ? row[0] : Real(0);
    for (int m = begin[j]; m < begin[j + 1]; ++m) level -= mean[m] * (own[m] / scale[m]);
    for (int i = 0; i < K; ++i) {
        const int m = begin[j] + i - 2;
        if (i > 1 && m < begin[j + 1]) level += own[m] / scale[m];
        A[(long long)(j * K + i) * units + unit] = level + ns[j * K + i] * slope;
    }
}

// found ((1 + inputs + rises) x columns) of sums G (hinges x columns), Eq. (69)
template <typename Real>
__global__ void __launch_bounds__(256)
rises(const Real* __restrict__ G, const Real* __restrict__ ns, const Real* __restrict__ mean, const Real* __restrict__ scale,
      const int* __restrict__ begin, int inputs, int K, int columns, Real* __restrict__ found) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x, column = thread % columns, j = thread / columns;
    if (j >= inputs) return;
    const Real* own = G + (long long)j * K * columns + column;
    Real *to = found + column, total = 0, right = 0, x = 0;
    for (int i = K - 1; i >= 0; --i) {
        const Real sum = own[(long long)i * columns];
        total += sum;
        x += ns[j * K + i] * sum;
    }
    if (j == 0) *to = total;
    to[(long long)(1 + j) * columns] = x;
    to += (long long)(1 + inputs) * columns;
#pragma unroll 1
    for (int i = K - 1; i > 1; --i) {  // `right` has the hats to the right of rise m
        const int m = begin[j] + i - 2;
        right += own[(long long)i * columns];
        if (m < begin[j + 1]) to[(long long)m * columns] = (right - mean[m] * total) / scale[m];
    }
}
