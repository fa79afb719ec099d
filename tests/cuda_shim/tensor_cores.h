// What ptx.cuh names, for a C++ compiler: products by tensor cores after the tables of the PTX ISA, and copies that may be late.
//
// The products of a fragment are exact. They and the sum are cut to the last digit of the largest of them before they are added,
// and so is the result: the least that is known of tensor cores. The last 13 bits of operands are ignored, and those of a rounded
// number are noise. Copies arrive when they are begun, if threads run backwards, and otherwise when the thread waits for them.

#pragma once

#include <cstdint>
#include <cstdio>

inline float __uint_as_float(unsigned bits) { return shim::bits<float>(bits); }

// cvt.rna.tf32: to the nearest number of 11 digits, of two the one farther from 0.
inline unsigned tf32(float a) {
    if (a == 0 || !std::isfinite(a)) return __float_as_uint(a);
    int exponent;
    std::frexp(a, &exponent);
    const double unit = std::ldexp(1.0, std::max(exponent, -125) - 11);
    return __float_as_uint(float(std::round(a / unit) * unit)) | 0x1A5Bu;
}

namespace shim {

// Cuts numbers to the last of the 24 digits of the largest one.
struct Cut {
    double unit, inverse;

    explicit Cut(double largest) {
        int exponent;
        std::frexp(largest, &exponent);
        exponent = std::max(exponent - 24, -149);
        unit = std::ldexp(1.0, exponent), inverse = std::ldexp(1.0, -exponent);
    }
    double operator()(double a) const { return double(std::int64_t(a * inverse)) * unit; }
};

// The sum of some numbers, the first of which is the sum so far.
inline float cut_sum(const double (&terms)[9]) {
    double largest = 0, plain = 0, sum = 0;
    for (double term : terms) largest = std::max(largest, std::abs(term)), plain += term;
    if (largest == 0 || !std::isfinite(plain)) return float(plain);
    const Cut cut(largest);
    for (double term : terms) sum += cut(term);
    return sum == 0 ? 0.0f : float(Cut(sum)(sum));
}

struct Operands {
    unsigned a[4], b[2];
};

}  // namespace shim

// mma.m16n8k8 of .tf32 with the ISA's "groupID" and "threadID_in_group". A thread gives its operands and meets the others once:
// those of the next product lie elsewhere, so that nobody overwrites what others still read.
inline void multiply(float (&sum)[4], const unsigned* a, const unsigned* b) {
    static shim::Operands given[2][1024];
    const std::size_t thread = shim::current, warp = thread / 32 * 32, lane = thread % 32;
    auto& all = given[shim::fibers[thread].products++ % 2];
    std::memcpy(all[thread].a, a, sizeof all[thread].a);
    std::memcpy(all[thread].b, b, sizeof all[thread].b);
    shim::barrier();
    const auto number = [](unsigned bits) { return double(__uint_as_float(bits & ~0x1FFFu)); };
    const std::size_t group = lane / 4, within = lane % 4;
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = i < 2 ? group : group + 8, column = within * 2 + i % 2;
        double terms[9] = {sum[i]};
        for (std::size_t k = 0; k < 8; ++k) {
            const shim::Operands& left = all[warp + row % 8 * 4 + k % 4];   // its groupID is row or row - 8
            const shim::Operands& right = all[warp + column * 4 + k % 4];  // its groupID is the column
            terms[1 + k] = number(left.a[(row < 8 ? 0 : 1) + (k < 4 ? 0 : 2)]) * number(right.b[k < 4 ? 0 : 1]);
        }
        sum[i] = shim::cut_sum(terms);
    }
}

template <int V> void copy(float* to, const float* from, bool there) {
    const auto off = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) % (4 * V) != 0; };
    if (off(to) || (there && off(from))) std::fprintf(stderr, "runtime error: copy of %d bytes that are not aligned\n", 4 * V);
    auto& fiber = shim::fibers[shim::current];
    fiber.open.push_back([=] {
        if (there) std::memcpy(to, from, 4 * V);
        else std::memset(to, 0, 4 * V);
    });
    if (!shim::late) fiber.open.back()();
}

inline void end_group() {
    auto& fiber = shim::fibers[shim::current];
    fiber.groups.push_back(std::move(fiber.open));
    fiber.open.clear();
}

template <int most> void wait_for_groups() {
    auto& groups = shim::fibers[shim::current].groups;
    for (; groups.size() > most; groups.pop_front())
        if (shim::late)
            for (auto& arrive : groups.front()) arrive();
}
