// Max pooling of images (Nv, height, width, channels), Eq. (55), as reference/pooling.py specifies it.
//
// A row of pixels has width * channels numbers. A thread keeps to one column of such rows and walks down. Blocks and grids are
// (columns, rows). Windows kv x kh move by sv, sh and have H x V places on an image.

// The largest value in each window and the number of its place there. Of equal values the first counts. NaN wins over every
// number, and of several NaNs the last counts. rows = Nv * H.
template <typename Real, typename Number>
__global__ void __launch_bounds__(256)
max_pool(const Real* __restrict__ x, int rows, int height, int width, int channels, int H, int V, int kv, int kh, int sv, int sh,
         Real* __restrict__ best, Number* __restrict__ place) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, columns = V * channels;
    if (column >= columns) return;
    const int left = column / channels * sh * channels + column % channels;
    for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const long long top = (long long)(row / H) * height + row % H * sv;
        const Real* window = x + top * width * channels + left;
        Real largest = window[0];
        int found = 0;
        for (int number = 0, a = 0; a < kv; ++a)
            for (int b = 0; b < kh; ++b, ++number) {
                const Real value = window[(a * width + b) * channels];
                const bool larger = value > largest || value != value;
                largest = larger ? value : largest;
                found = larger ? number : found;
            }
        const long long at = (long long)row * columns + column;
        best[at] = largest;
        place[at] = Number(found);
    }
}

// g at the maxima, carried back to the pixels that they came from. Each pixel asks the windows that see it. rows = Nv * height.
template <typename Real, typename Number>
__global__ void __launch_bounds__(256)
max_unpool(const Real* __restrict__ g, const Number* __restrict__ place, int rows, int height, int width, int channels, int H,
           int V, int kv, int kh, int sv, int sh, Real* __restrict__ dx) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, columns = width * channels;
    if (column >= columns) return;
    const int j = column / channels, k = column % channels;
    const int left = j < kh ? 0 : (j - kh) / sh + 1, right = min(j / sh, V - 1);
    for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const int p = row / height, i = row % height;
        const int top = i < kv ? 0 : (i - kv) / sv + 1, bottom = min(i / sv, H - 1);
        Real sum = 0;
        for (int r = top; r <= bottom; ++r)
            for (int c = left; c <= right; ++c) {
                const long long at = (((long long)p * H + r) * V + c) * channels + k;
                if (int(place[at]) == (i - r * sv) * kh + j - c * sh) sum += g[at];
            }
        dx[(long long)row * columns + column] = sum;
    }
}
