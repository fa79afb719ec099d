// What CUDA C++ has no words for: products of matrices by the tensor cores, and copies to shared memory that go on while a thread
// works. They need a card of compute capability 8.0. A compiler for something else brings functions of the same names.

#ifdef __CUDACC__

// A number's place among those of TF32: a float whose last 13 bits mean nothing. It is the nearest one, of two the one farther from 0.
__device__ inline unsigned tf32(float a) {
    unsigned found;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(found) : "f"(a));
    return found;
}

// sum (16 x 8) += a (16 x 8) b (8 x 8), all by the threads of a warp together. The last 13 bits of a and b are ignored. The
// thread in place `lane` holds, for g = lane / 4 and t = lane % 4, a at (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), b at
// (t, g), (t + 4, g), and the sum at (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1).
__device__ inline void multiply(float (&sum)[4], const unsigned* a, const unsigned* b) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Begins to copy V numbers to shared memory, 16 or 4 bytes; if they are not `there`, zeros, and `from` is not read.
template <int V> __device__ void copy(float* to, const float* from, bool there) {
    const unsigned place = unsigned(__cvta_generic_to_shared(to));
    const int bytes = there ? 4 * V : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(place), "l"(from), "n"(4 * V), "r"(bytes) : "memory");
}

// Ends a group of copies of this thread.
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `most` of this thread's groups of copies, the last ones, are under way.
template <int most> __device__ void wait_for_groups() { asm volatile("cp.async.wait_group %0;" ::"n"(most) : "memory"); }

#endif
