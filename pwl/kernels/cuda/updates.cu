// Updates of first-order methods, Eqs. (48), (49), on vectors like theta, one element per thread at a time. Every step has the
// arithmetic of reference/updates.py. G is the negative gradient, and rate is the learning rate of each element. Results go to
// vectors of their own.

template <typename Real>
__global__ void __launch_bounds__(256)
momentum_step(const Real* __restrict__ theta, const Real* __restrict__ G, const Real* __restrict__ velocity,
              const Real* __restrict__ rate, int size, Real momentum, int nesterov, Real* __restrict__ moved,
              Real* __restrict__ after) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) {
        const Real v = momentum * velocity[i] + G[i], change = nesterov ? G[i] + momentum * v : v;
        after[i] = v;
        moved[i] = theta[i] + rate[i] * change;
    }
}

// rest1 = 1 - beta1, correction1 = 1 - beta1^steps; rest2 and correction2 follow from beta2 in the same way.
template <typename Real>
__global__ void __launch_bounds__(256)
adam_step(const Real* __restrict__ theta, const Real* __restrict__ G, const Real* __restrict__ m, const Real* __restrict__ v,
          const Real* __restrict__ rate, int size, Real beta1, Real rest1, Real correction1, Real beta2, Real rest2,
          Real correction2, Real epsilon, Real decay, Real* __restrict__ moved, Real* __restrict__ mean,
          Real* __restrict__ square) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) {
        const Real first = beta1 * m[i] + rest1 * G[i], second = beta2 * v[i] + rest2 * (G[i] * G[i]);
        const Real change = first / correction1 / (sqrt(second / correction2) + epsilon) - decay * theta[i];
        mean[i] = first;
        square[i] = second;
        moved[i] = theta[i] + rate[i] * change;
    }
}
