// Sums down the columns of each group of a (groups x rows x units), or of its products with b. A group has `total` numbers and
// `blocks` blocks of lines. Lines and lanes are as in curves.cu.

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction

template <typename Real> __device__ Real* shared_memory() {
    extern __shared__ __align__(16) unsigned char memory[];
    return reinterpret_cast<Real*>(memory);
}

// partial[group][block of lines][unit], still to be summed over blocks. The order of each sum is fixed: the thread's lines, then
// the threads by halves (blockDim.y is a power of 2), then the rows of a line.
template <typename Real, int V, bool products>
__global__ void __launch_bounds__(256)
sums(const Real* __restrict__ a, const Real* __restrict__ b, long long total, int units, int width, int blocks,
     Real* __restrict__ partial) {
    const int block = blockIdx.x % blocks;
    const long long before = blockIdx.x / blocks * total;  // numbers of the groups before this one
    a += before;
    b += before;
    const int lanes = blockDim.x, first = blockIdx.y * lanes * V, column = first + threadIdx.x * V;
    const int thread = threadIdx.y * lanes + threadIdx.x, threads = lanes * blockDim.y;
    Pack<Real, V> sum = {};
    if (column < width) {
        const long long step = (long long)blocks * blockDim.y * width;
#pragma unroll 4
        for (long long i = ((long long)block * blockDim.y + threadIdx.y) * width + column; i < total; i += step) {
            auto term = *reinterpret_cast<const Pack<Real, V>*>(a + i);
            if constexpr (products) {
                const auto factor = *reinterpret_cast<const Pack<Real, V>*>(b + i);
                for (int j = 0; j < V; ++j) term.at[j] *= factor.at[j];
            }
            for (int j = 0; j < V; ++j) sum.at[j] += term.at[j];
        }
    }
    Real *found = shared_memory<Real>(), *own = found + thread;
    for (int j = 0; j < V; ++j) own[j * threads] = sum.at[j];
    __syncthreads();
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half)
            for (int j = 0; j < V; ++j) own[j * threads] += own[j * threads + half * lanes];
        __syncthreads();
    }
    const int distinct = min(min(units, lanes * V), width - first);  // units of this tile
    for (int p = thread; p < distinct; p += threads) {
        Real all = 0;
        for (int k = p; k < lanes * V; k += units) all += found[k % V * threads + k / V];
        partial[(long long)blockIdx.x * units + first + p] = all;
    }
}
