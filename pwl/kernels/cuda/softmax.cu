// Cross-entropy of outputs y (rows x M) and labels t (rows), and with_d also d = onehot(t) - pi, Eqs. (2), (15), as softmax.py
// specifies them. The errors have the same bits with d and without.
//
// A thread takes one row after another and reads its columns in order. Neighbouring threads read neighbouring rows, which lie
// together in the cache. The largest output is subtracted before the exponentials. A NaN shows in its whole row.
template <typename Real, bool with_d>
__global__ void __launch_bounds__(256)
cross_entropy(const Real* __restrict__ y, const int* __restrict__ t, int rows, int M, Real* __restrict__ errors, Real* d) {
    for (long long row = (long long)blockIdx.x * blockDim.x + threadIdx.x; row < rows; row += (long long)gridDim.x * blockDim.x) {
        const Real* own = y + row * M;
        Real* signal = d + row * M;
        Real top = own[0], total = 0;
        for (int m = 1; m < M; ++m) top = own[m] > top || own[m] != own[m] ? own[m] : top;
        for (int m = 0; m < M; ++m) {
            const Real e = exp(own[m] - top);
            if constexpr (with_d) signal[m] = e;
            total += e;
        }
        const int label = t[row];
        if constexpr (with_d)
            for (int m = 0; m < M; ++m) signal[m] = Real(m == label) - signal[m] / total;
        errors[row] = log(total) + top - own[label];
    }
}
