// Activations without parameters, o = f(n) and with_slope also do/dn, for `total` nets, with the arithmetic of activations/fixed.py
// and plu.py. Each net is read once, and V neighbours are moved at once.

enum Name { RELU, LEAKY_RELU, SIGMOID, TANH, IDENTITY, PLU };

template <typename Real, int V> struct alignas(V * sizeof(Real)) Pack { Real at[V]; };  // moved in one instruction

template <typename Real> __device__ Real larger(Real a, Real b) { return a > b || a != a ? a : b; }  // NaN if one of them is
template <typename Real> __device__ Real smaller(Real a, Real b) { return a < b || a != a ? a : b; }

template <Name name, typename Real> __device__ Real value_of(Real n, Real first, Real second) {
    if constexpr (name == RELU) return larger(n, Real(0));
    else if constexpr (name == LEAKY_RELU) return larger(n, Real(0.01) * n);
    else if constexpr (name == SIGMOID) return 1 / (exp(-n) + 1);
    else if constexpr (name == TANH) return tanh(n);
    else if constexpr (name == PLU) return larger(first * (n + second) - second, smaller(first * (n - second) + second, n));
    else return n;
}

template <Name name, typename Real> __device__ Real slope_of(Real n, Real o, Real first, Real second) {
    if constexpr (name == RELU) return Real(n >= 0);
    else if constexpr (name == LEAKY_RELU) return n >= 0 ? Real(1) : Real(0.01);
    else if constexpr (name == SIGMOID) return o * (1 - o);
    else if constexpr (name == TANH) return 1 - o * o;
    else if constexpr (name == PLU) return n >= -second && n < second ? Real(1) : first;
    else return Real(1);
}

// first, second: alpha and c of PLU.
template <typename Real, int V, Name name, bool with_slope>
__global__ void __launch_bounds__(256)
activation(const Real* __restrict__ n, long long total, Real first, Real second, Real* __restrict__ o, Real* __restrict__ slope) {
    const long long step = (long long)gridDim.x * blockDim.x * V;
    for (long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * V; i < total; i += step) {
        const auto net = *reinterpret_cast<const Pack<Real, V>*>(n + i);
        Pack<Real, V> value, change;
        for (int j = 0; j < V; ++j) {
            value.at[j] = value_of<name>(net.at[j], first, second);
            change.at[j] = slope_of<name>(net.at[j], value.at[j], first, second);
        }
        *reinterpret_cast<Pack<Real, V>*>(o + i) = value;
        if constexpr (with_slope) *reinterpret_cast<Pack<Real, V>*>(slope + i) = change;
    }
}
