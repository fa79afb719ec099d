// Patches of images (Nv, height, width, channels), Eq. (53), and their transpose: what convolution.py specifies.
//
// A thread keeps to V neighbouring channels of one column of a row and walks down the rows; grids and blocks are (columns,
// rows). Windows kv x kh move by sv, sh, their pixels are dv, dh apart, top and left rows and columns of zeros lie before the
// images, and there are H x wide places on an image.

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction

// columns (rows x wide, kv x kh x channels): the patches of so many rows of places, from row `first` of all images on.
template <typename Real, int V>
__global__ void __launch_bounds__(256)
gather(const Real* __restrict__ x, int first, int rows, int height, int width, int channels, int H, int wide, int kv, int kh,
       int sv, int sh, int dv, int dh, int top, int left, Real* __restrict__ columns) {
    const int column = (blockIdx.x * blockDim.x + threadIdx.x) * V, size = wide * kv * kh * channels;
    if (column >= size) return;
    const int k = column % channels, place = column / channels, b = place % kh, a = place / kh % kv;
    const int j = place / (kh * kv) * sh + b * dh - left;
    for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const int p = (first + row) / H, i = (first + row) % H * sv + a * dv - top;
        Pack<Real, V> seen = {};
        if (i >= 0 && i < height && j >= 0 && j < width)
            seen = *reinterpret_cast<const Pack<Real, V>*>(x + (((long long)p * height + i) * width + j) * channels + k);
        *reinterpret_cast<Pack<Real, V>*>(columns + (long long)row * size + column) = seen;
    }
}

// dx (Nv, height, width, channels): each pixel sums its numbers in the patches of all places, row by row of the window.
// rows = Nv * height.
template <typename Real, int V>
__global__ void __launch_bounds__(256)
add_up(const Real* __restrict__ columns, int rows, int height, int width, int channels, int H, int wide, int kv, int kh, int sv,
       int sh, int dv, int dh, int top, int left, Real* __restrict__ dx) {
    const int column = (blockIdx.x * blockDim.x + threadIdx.x) * V, size = width * channels;
    if (column >= size) return;
    const int j = column / channels + left, k = column % channels;
    for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const int p = row / height, i = row % height + top;
        Pack<Real, V> sum = {};
        for (int a = 0; a < kv; ++a) {
            const int down = i - a * dv, r = down / sv;
            if (down < 0 || r * sv != down || r >= H) continue;
            for (int b = 0; b < kh; ++b) {
                const int along = j - b * dh, c = along / sh;
                if (along < 0 || c * sh != along || c >= wide) continue;
                const long long patch = ((long long)p * H + r) * wide + c;
                const Real* at = columns + ((patch * kv + a) * kh + b) * channels + k;
                const auto share = *reinterpret_cast<const Pack<Real, V>*>(at);
                for (int v = 0; v < V; ++v) sum.at[v] += share.at[v];
            }
        }
        *reinterpret_cast<Pack<Real, V>*>(dx + (long long)row * size + column) = sum;
    }
}
