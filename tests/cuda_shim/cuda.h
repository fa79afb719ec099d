// What the .cu sources need of CUDA, for a C++ compiler: blocks run one after another on the CPU, their threads as fibers that
// change at barriers. Threads may run in their order or backwards: a kernel without races can't tell the difference.

#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct Index {
    unsigned x, y;
};

static Index threadIdx, blockIdx, blockDim, gridDim;
using std::exp;
using std::fma;
using std::fmax;
using std::fmin;
using std::log;
using std::max;
using std::min;
using std::sqrt;
using std::tanh;

constexpr int SHARED = 48 * 1024, MARGIN = 1024;
alignas(16) unsigned char memory[SHARED + MARGIN];  // every source names its shared memory so

namespace shim {

enum Fault { NONE, ARGUMENTS, BARRIER, SHARED_MEMORY };

constexpr std::size_t STACK = 32 * 1024;

using Point = void*[5];  // where a jump goes on; a context, which makes a system call, is needed for the first one only

struct Fiber {
    ucontext_t context;
    Point reached;
    bool begun, done;
    std::size_t products;                                  // by tensor cores
    std::vector<std::function<void()>> open;               // copies that belong to no group yet
    std::deque<std::vector<std::function<void()>>> groups;  // those that are waited for
    std::vector<char> stack = std::vector<char>(STACK);
};

static std::vector<Fiber> fibers;
static Point scheduler;
static std::size_t current;
static bool late;  // copies arrive when they are waited for
static std::function<void()> body;

[[noreturn]] __attribute__((noinline)) static void jump(void** to) { __builtin_longjmp(to, 1); }

static void enter() {
    body();
    fibers[current].done = true;
    jump(scheduler);
}

__attribute__((noinline)) static void barrier() {
    if (!__builtin_setjmp(fibers[current].reached)) jump(scheduler);
}

// The current fiber's work to its next barrier or its end.
__attribute__((noinline)) static void resume() {
    Fiber& fiber = fibers[current];
    if (__builtin_setjmp(scheduler)) return;
    if (fiber.begun) jump(fiber.reached);
    fiber.begun = true;
    setcontext(&fiber.context);
}

// One block: all threads to their next barrier, again and again. A barrier that only some reach is a fault.
inline Fault run_block(bool backwards) {
    const std::size_t threads = blockDim.x * blockDim.y;
    if (fibers.size() < threads) fibers.resize(threads);
    for (std::size_t t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        fiber.begun = fiber.done = false;
        fiber.products = 0;
        fiber.open.clear();
        fiber.groups.clear();
        makecontext(&fiber.context, enter, 0);
    }
    late = !backwards;
    for (std::size_t done = 0; done < threads;) {
        for (std::size_t turn = 0; turn < threads; ++turn) {
            current = backwards ? threads - 1 - turn : turn;
            threadIdx = {unsigned(current % blockDim.x), unsigned(current / blockDim.x)};
            resume();
            done += fibers[current].done;
        }
        if (done != 0 && done != threads) return BARRIER;
    }
    return NONE;
}

// The size of an argument; of a pointer, 100 and the size of what it points to.
template <typename A> constexpr int kind() {
    if constexpr (std::is_pointer_v<A>) return 100 + int(sizeof(std::remove_pointer_t<A>));
    else return int(sizeof(A));
}

struct Launch {
    Index grid, block;
    int shared;
    bool backwards;
    void** arguments;
    const int* kinds;
    int count;
};

template <typename... A, std::size_t... I>
Fault run(void (*kernel)(A...), const Launch& launch, std::index_sequence<I...>) {
    if (launch.count != int(sizeof...(A)) || ((launch.kinds[I] != kind<A>()) || ...)) return ARGUMENTS;
    body = [&] { kernel(*static_cast<std::remove_const_t<A>*>(launch.arguments[I])...); };
    gridDim = launch.grid;
    blockDim = launch.block;
    for (unsigned y = 0; y < gridDim.y; ++y)
        for (unsigned x = 0; x < gridDim.x; ++x) {
            blockIdx = {x, y};
            std::memset(memory, 0xFF, sizeof memory);  // NaN, so that what was never written shows
            const Fault fault = run_block(launch.backwards);
            if (fault != NONE) return fault;
            const auto untouched = [](unsigned char byte) { return byte == 0xFF; };
            if (!std::all_of(memory + launch.shared, memory + sizeof memory, untouched)) return SHARED_MEMORY;
        }
    return NONE;
}

template <typename... A> Fault run(void (*kernel)(A...), const Launch& launch) {
    return run(kernel, launch, std::index_sequence_for<A...>());
}

}  // namespace shim

inline void __syncthreads() { shim::barrier(); }

inline void __syncwarp() { shim::barrier(); }

// Threads of a warp, 32 neighbours in x, give each other a number; all threads of the block have to ask.
template <typename T> T __shfl_down_sync(unsigned, T value, unsigned below) {
    alignas(16) static unsigned char given[1024][16];
    const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
    std::memcpy(given[thread], &value, sizeof value);
    shim::barrier();
    if (thread % 32 + below < 32) std::memcpy(&value, given[thread + below], sizeof value);
    shim::barrier();
    return value;
}

namespace shim {

// a + b rounded down: the sum, or its neighbour if the exact error is below 0
template <typename T> T sum_rounded_down(T a, T b) {
    const T sum = a + b, part = sum - a, error = (a - (sum - part)) + (b - part);
    return error < 0 ? std::nextafter(sum, -std::numeric_limits<T>::infinity()) : sum;
}

template <typename To, typename From> To bits(From value) {
    To found;
    std::memcpy(&found, &value, sizeof found);
    return found;
}

}  // namespace shim

inline float __fadd_rd(float a, float b) { return shim::sum_rounded_down(a, b); }
inline double __dadd_rd(double a, double b) { return shim::sum_rounded_down(a, b); }
inline unsigned __float_as_uint(float value) { return shim::bits<unsigned>(value); }
inline int __double2loint(double value) { return shim::bits<int>(value); }  // the low word comes first here

#include "tensor_cores.h"
