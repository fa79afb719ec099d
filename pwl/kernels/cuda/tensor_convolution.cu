// Convolution in float32 and its gradient with respect to the weights on tensor cores, Eqs. (53), (54), as
// reference/convolution.py specifies them. Both are matrix products, and the matrix of patches is never stored.
//
// Tensor cores multiply numbers of TF32, which have 11 binary digits, and sum the products in float32. Where PRODUCTS is 3, a
// number is split into two of TF32, high + low, and a product is the sum of low high', high low' and high high', Eq. (97). What is
// left out is below the rounding of float32. The three are summed over 8 numbers at a time and then added to the sum as float32
// is, to the nearest number: tensor cores cut digits off, which adds up over long sums. Where PRODUCTS is 1, numbers are rounded
// to TF32 and that is all, Eq. (98).
//
// A block computes a tile of the result, TM x TN, and each of its warps a square of that, SIDE x SIDE. Each step along the sums is
// DEEP long. STAGES steps lie in shared memory. While one is multiplied, the next ones are copied. Windows and images are as in
// convolution.cu.

#include "hinges.cuh"
#include "ptx.cuh"

constexpr int DEEP = 16, STAGES = 3;

template <int TM, int TN, int SIDE> constexpr int THREADS = TM / SIDE * TN / SIDE * LANES;
template <int TM, int TN, int SIDE> constexpr int BLOCKS = (THREADS<TM, TN, SIDE> > 128 ? 512 : 384) / THREADS<TM, TN, SIDE>;

// ---- tiles in shared memory: fours of numbers are moved at once, and lanes of a warp that read a fragment never meet in a bank
//
// A lane, g = lane / 4 and t = lane % 4, reads numbers at rows 8 e + g of its warp's square and at k + t along the sums, for e from
// 0 to 3 and k a multiple of 4. `from` has the four places that such numbers begin at.

// Rows of DEEP numbers along the sums. The fours of a row change places with every second row.
struct Rows {
    int from[DEEP / 4], square;

    static __device__ int at(int row, int k) { return row * DEEP + ((k / 4 ^ row / 2 % 4) * 4 + k % 4); }
    __device__ Rows(int above, int g, int t) : square(above * DEEP) {
        for (int four = 0; four < DEEP / 4; ++four) from[four] = at(g, 4 * four + t);  // the same for all squares
    }
    __device__ int at_eight(int e, int k) const { return square + from[k / 4] + 8 * e * DEEP; }
};

// DEEP lines, one for each step of the sums, of `wide` rows side by side. Eights of rows change places with every line.
template <int wide> struct Lines {
    int from[4];

    static __device__ int at(int row, int k) { return k * wide + (row ^ k % 4 * 8); }
    __device__ Lines(int above, int g, int t) {
        for (int e = 0; e < 4; ++e) from[e] = at(above + 8 * e + g, t);
    }
    __device__ int at_eight(int e, int k) const { return from[e] + k * wide; }
};

// ---- a thread's share of a tile

// Numbers as the tensor cores take them. Adding half of the last digit that is kept and cutting off rounds to the nearest; what is
// left, exact in float32, has at most one digit more than TF32, which the tensor cores cut off. NaN stays in `low`.
template <int count, int PRODUCTS> struct Fragment {
    unsigned high[count], low[PRODUCTS == 3 ? count : 1];

    __device__ void take(int i, float a) {
        if constexpr (PRODUCTS == 3) {
            high[i] = (__float_as_uint(a) + 0x1000u) & 0xFFFFE000u;
            low[i] = __float_as_uint(a - __uint_as_float(high[i]));
        } else high[i] = tf32(a);
    }
};

template <int TM, int TN, int SIDE, int PRODUCTS> struct Share {
    static constexpr int I = SIDE / 16, J = SIDE / 8;
    const int warp = threadIdx.x / LANES, g = threadIdx.x % LANES / 4, t = threadIdx.x % 4;
    const int above = warp % (TM / SIDE) * SIDE, before = warp / (TM / SIDE) * SIDE;  // rows and columns before those of the warp
    float sum[I][J][4] = {};

    __device__ int row(int i, int half) const { return above + 16 * i + 8 * half + g; }
    __device__ int column(int j) const { return before + 8 * j + 2 * t; }  // the first of two

    // One step along the sums.
    template <typename Left, typename Right>
    __device__ void add(const float* left, const Left& of_left, const float* right, const Right& of_right) {
#pragma unroll
        for (int k = 0; k < DEEP; k += 8) {
            Fragment<2, PRODUCTS> b[J];
#pragma unroll
            for (int j = 0; j < J; ++j)
                for (int q = 0; q < 2; ++q) b[j].take(q, right[of_right.at_eight(j, k + 4 * q)]);
#pragma unroll
            for (int i = 0; i < I; ++i) {
                Fragment<4, PRODUCTS> a;
                for (int q = 0; q < 4; ++q) a.take(q, left[of_left.at_eight(2 * i + q % 2, k + q / 2 * 4)]);
                add(i, a, b);
            }
        }
    }

    __device__ void add(int i, const Fragment<4, PRODUCTS>& a, const Fragment<2, PRODUCTS>* b) {
        if constexpr (PRODUCTS == 1) {
#pragma unroll
            for (int j = 0; j < J; ++j) multiply(sum[i][j], a.high, b[j].high);
        } else {
            constexpr int SOME = J < 4 ? J : 4;  // products that wait for none of the others
#pragma unroll
            for (int j = 0; j < J; j += SOME) {
                float part[SOME][4] = {};
#pragma unroll
                for (int s = 0; s < SOME; ++s) multiply(part[s], a.low, b[j + s].high);
#pragma unroll
                for (int s = 0; s < SOME; ++s) multiply(part[s], a.high, b[j + s].low);
#pragma unroll
                for (int s = 0; s < SOME; ++s) multiply(part[s], a.high, b[j + s].high);
#pragma unroll
                for (int s = 0; s < SOME; ++s)
                    for (int q = 0; q < 4; ++q) sum[i][j + s][q] += part[s][q];
            }
        }
    }
};

// Goes through all steps: fetch(step, tiles) begins to copy one, multiply(tiles) is done with each in turn.
template <int STEP_SIZE, typename Fetch, typename Multiply>
__device__ void in_steps(int steps, float* tiles, const Fetch& fetch, const Multiply& multiply) {
    float *next = tiles, *now = tiles, *const end = tiles + STAGES * STEP_SIZE;
    for (int step = 1 - STAGES; step < steps; ++step) {
        if (step >= 0) {
            wait_for_groups<STAGES - 2>();
            __syncthreads();
        }
        if (step + STAGES - 1 < steps) fetch(next);
        end_group();
        next = next + STEP_SIZE == end ? tiles : next + STEP_SIZE;
        if (step < 0) continue;
        multiply(now);
        now = now + STEP_SIZE == end ? tiles : now + STEP_SIZE;
    }
}

// Writes the numbers of two neighbouring columns of a row, of which there are `columns`.
__device__ inline void put(float* row, int column, int columns, float one, float two) {
    if (columns % 2 == 0) *reinterpret_cast<Pack<float, 2>*>(row + column) = {one, two};
    else {
        row[column] = one;
        if (column + 1 < columns) row[column + 1] = two;
    }
}

// ---- what follows a sum n: nothing, or an activation

struct Value {
    float value, slope;
};

struct Nothing {
    static constexpr bool activates = false;
};

struct Relu {
    static constexpr bool activates = true;

    static __device__ void fetch(const float*, const float*, int, int, float*) {}
    __device__ Relu(const float*, const float*, int, int, int, bool) {}
    __device__ Value at(float n) const { return {n > 0 || n != n ? n : 0.0f, float(n >= 0)}; }
};

// Curves with the bits of curves.cu. Ordinates of the tile's filters lie in shared memory, and behind `room` numbers their hinges
// if these are searched.
template <bool uniform> struct Curve {
    static constexpr bool activates = true;
    Hinges<float, uniform> hinges;
    const float* ordinates;

    static __device__ void fetch(const float* ns, const float* A, int numbers, int room, float* tables) {
        for (int i = threadIdx.x; i < numbers; i += blockDim.x) {
            tables[i] = A[i];
            if constexpr (!uniform) tables[room + i] = ns[i];
        }
    }
    __device__ Curve(const float* ns, const float* tables, int unit, int K, int room, bool linear)
        : hinges((uniform ? ns : tables + room) + unit * K, 1, K, linear), ordinates(tables + unit * K) {}
    __device__ Value at(float n) const {
        const Place<float> place = hinges.locate(n);
        const float left = ordinates[place.m], rise = ordinates[place.m + 1] - left;
        return {left + place.u * rise, n != n ? n : place.inside ? rise * place.inverse : 0.0f};
    }
};

// ---- out (places, filters): patches of x times W (filters, window places x channels), plus thresholds
//
// V, 4 or 1, divides channels. With an activation, `value` is what it gives, and if `slopes` are wanted, `slope` and `out` are
// written as well.

template <int V, int TM, int TN, int SIDE, int PRODUCTS, typename After>
__global__ void __launch_bounds__(THREADS<TM, TN, SIDE>, BLOCKS<TM, TN, SIDE>)
convolve(const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ threshold, int places, int height,
         int width, int channels, int filters, int H, int wide, int kv, int kh, int sv, int sh, int dv, int dh, int top, int left,
         const float* __restrict__ ns, const float* __restrict__ A, int K, int linear, int slopes,
         float* __restrict__ out, float* __restrict__ value, float* __restrict__ slope) {
    constexpr int ALL = THREADS<TM, TN, SIDE>, FOURS = DEEP / 4, PASS = ALL / FOURS;  // rows that the threads copy at a time
    static_assert(TM % PASS == 0 && TN % PASS == 0 && PASS % 8 == 0, "threads share the rows of a tile out evenly");
    const int inputs = kv * kh * channels, first = blockIdx.y * TN, four = threadIdx.x % FOURS * 4, own = threadIdx.x / FOURS;
    int corner[TM / PASS];     // of the window at each place whose inputs the thread copies, as a number in x
    unsigned seen[TM / PASS];  // bit r: row r of that window lies in the image; bit 16 + s: column s does
    for (int q = 0; q < TM / PASS; ++q) {
        const int place = blockIdx.x * TM + own + q * PASS;
        const int i = place % (H * wide) / wide * sv - top, j = place % wide * sh - left;
        corner[q] = ((place / (H * wide) * height + i) * width + j) * channels;
        seen[q] = 0;
        for (int r = 0; r < kv; ++r) seen[q] |= unsigned(unsigned(i + r * dv) < unsigned(height)) << r;
        for (int s = 0; s < kh; ++s) seen[q] |= unsigned(unsigned(j + s * dh) < unsigned(width)) << 16 + s;
        if (place >= places) seen[q] = 0;
    }
    // The next input: channel c at row a and column b of the window, `offset` numbers from its corner. Row kv is in no image.
    int c = four % channels, b = four / channels % kh, a = min(four / channels / kh, kv);
    int offset = (a * dv * width + b * dh) * channels + c;
    const float* weights = W + (first + own) * inputs + four;
    unsigned there = 0;  // bit q: row own + q PASS of the tile is a filter
    for (int q = 0; q < TN / PASS; ++q) there |= unsigned(own + q * PASS < filters - first) << q;
    const int to_column = (dh - 1) * channels, to_row = (dv * width - kh * dh) * channels;
    const auto advance = [&](int by) {
        offset += by, weights += by;
#pragma unroll 1
        for (c += by; c >= channels; c -= channels) {
            offset += to_column;
            if (++b == kh) b = 0, offset += to_row, a += a < kv;
        }
    };
    const auto fetch = [&](float* tile) {
        float* to = tile + Rows::at(own, four);  // PASS is a multiple of 8, so that rows farther down have the same order
#pragma unroll 1
        for (int v = 0; v < 4; v += V) {
            const unsigned inside = 1u << a | 0x10000u << b;
            for (int q = 0; q < TM / PASS; ++q)
                copy<V>(to + q * PASS * DEEP + v, x + corner[q] + offset, (seen[q] & inside) == inside);
            for (int q = 0; q < TN / PASS; ++q)
                copy<V>(to + (TM + q * PASS) * DEEP + v, weights + q * PASS * inputs, a < kv && there >> q & 1);
            advance(v + V < 4 ? V : V + DEEP - 4);
        }
    };
    Share<TM, TN, SIDE, PRODUCTS> share;
    const Rows of_left(share.above, share.g, share.t), of_right(share.before, share.g, share.t);
    float* tiles = shared_memory<float>();
    in_steps<DEEP * (TM + TN)>((inputs + DEEP - 1) / DEEP, tiles, fetch, [&](const float* tile) {
        share.add(tile, of_left, tile + DEEP * TM, of_right);
    });

    const float *own_ns = ns + first * K, *own_A = A + first * K;
    if constexpr (After::activates) {
        __syncthreads();
        After::fetch(own_ns, own_A, min(TN, filters - first) * K, TN * K, tiles);
        __syncthreads();
    }
#pragma unroll
    for (int j = 0; j < share.J; ++j) {
        const int unit = share.column(j), column = first + unit;
        if (column >= filters) continue;
        const int beside = column + 1 < filters;
        const float added[2] = {threshold[column], threshold[column + beside]};
#pragma unroll
        for (int row = 0; row < 2 * share.I; ++row) {
            const int place = blockIdx.x * TM + share.row(row / 2, row % 2), at = place * filters;
            if (place >= places) continue;
            const float* sum = share.sum[row / 2][j] + row % 2 * 2;
            const float n[2] = {sum[0] + added[0], sum[1] + added[1]};
            if (!After::activates || slopes) put(out + at, column, filters, n[0], n[1]);
            if constexpr (After::activates) {
                const Value one = After(own_ns, tiles, unit, K, TN * K, linear).at(n[0]);
                const Value two = After(own_ns, tiles, unit + beside, K, TN * K, linear).at(n[1]);
                put(value + at, column, filters, one.value, two.value);
                if (slopes) put(slope + at, column, filters, one.slope, two.slope);
            }
        }
    }
}

// ---- partial[part][input][filter], still to be summed over parts
//
// Each part sums the patches' inputs times g (places, filters) over `each` places. V, 4 or 1, divides channels and filters.

template <int V, int TM, int TN, int SIDE, int PRODUCTS>
__global__ void __launch_bounds__(THREADS<TM, TN, SIDE>, BLOCKS<TM, TN, SIDE>)
correlate(const float* __restrict__ x, const float* __restrict__ g, int places, int each, int height, int width, int channels,
          int filters, int H, int wide, int kv, int kh, int sv, int sh, int dv, int dh, int top, int left,
          float* __restrict__ partial) {
    constexpr int ALL = THREADS<TM, TN, SIDE>, ACROSS = TM / V, PASS = ALL / ACROSS;
    static_assert(ALL % ACROSS == 0 && DEEP % PASS == 0, "threads share the places of a step out evenly");
    constexpr int COLUMNS = TN / V, STEP = ALL / COLUMNS;  // of g: columns of vectors, and the places that are copied at a time
    static_assert(ALL % COLUMNS == 0, "a thread keeps to a column");
    const int inputs = kv * kh * channels, high = (inputs + TM - 1) / TM;
    const int above = blockIdx.x % high * TM, first = blockIdx.x / high * TN;
    const int m = threadIdx.x % ACROSS * V, own = threadIdx.x / ACROSS, input = above + m;
    const int down = input / channels / kh * dv - top, along = input / channels % kh * dh - left;
    const int begin = blockIdx.y * each, end = min(begin + each, places), rows = input < inputs ? height : 0;

    // The next place: its pixel at `row` and `column` of an image, number `offset` of x, and the places that are left.
    const int start = begin + own, i = start % (H * wide) / wide, j = start % wide;
    int row = i * sv + down, column = j * sh + along, left_over = end - start;
    int offset = ((start / (H * wide) * height + row) * width + column) * channels + input % channels;
    const int last_row = H * sv + down, last_column = wide * sh + along;
    const int to_row = (sv * width - wide * sh) * channels, to_image = (height - H * sv) * width * channels;
    const auto advance = [&](int by) {
        left_over -= by, offset += by * sh * channels;
#pragma unroll 1
        for (column += by * sh; column >= last_column; column -= wide * sh) {
            offset += to_row;
            if ((row += sv) == last_row) row = down, offset += to_image;
        }
    };
    const int vector = threadIdx.x % COLUMNS * V, line = threadIdx.x / COLUMNS;
    const float* signals = g + (begin + line) * filters + first + vector;
    int signals_left = first + vector < filters ? end - begin - line : 0;
    const auto fetch = [&](float* tile) {
        for (int q = 0; q < DEEP / PASS; ++q, advance(PASS))
            copy<V>(tile + Lines<TM>::at(m, own + q * PASS), x + offset,
                    left_over > 0 && unsigned(row) < unsigned(rows) && unsigned(column) < unsigned(width));
        for (int q = 0; q < (DEEP + STEP - 1) / STEP; ++q)
            if (line + q * STEP < DEEP)
                copy<V>(tile + DEEP * TM + Lines<TN>::at(vector, line + q * STEP), signals + q * STEP * filters,
                        q * STEP < signals_left);
        signals += DEEP * filters, signals_left -= DEEP;
    };
    Share<TM, TN, SIDE, PRODUCTS> share;
    const Lines<TM> of_left(share.above, share.g, share.t);
    const Lines<TN> of_right(share.before, share.g, share.t);
    const int steps = begin < end ? (end - begin + DEEP - 1) / DEEP : 0;
    in_steps<DEEP * (TM + TN)>(steps, shared_memory<float>(), fetch, [&](const float* tile) {
        share.add(tile, of_left, tile + DEEP * TM, of_right);
    });
#pragma unroll
    for (int row = 0; row < 2 * share.I; ++row) {
        const int at = above + share.row(row / 2, row % 2);
        if (at >= inputs) continue;
        float* to = partial + (blockIdx.y * (long long)inputs + at) * filters;
#pragma unroll
        for (int j = 0; j < share.J; ++j) {
            const float* sum = share.sum[row / 2][j] + row % 2 * 2;
            if (first + share.column(j) < filters) put(to, first + share.column(j), filters, sum[0], sum[1]);
        }
    }
}
