/* As many numbers at a time as a register holds.

   The library is built once for each width of registers that its processors may have. A row is
   summed by one thread, lane by lane in float32, and its lanes are then added in float64, so that
   a result does not depend on the number of threads. */

#ifndef CORTEXSCOPE_LANES_H
#define CORTEXSCOPE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

/* Registers that are filled at once, since each sum has to wait for the one before it. */
#define SIDES 2
#define WIDTH (SIDES * LANES)

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t marks __attribute__((vector_size(4 * LANES)));
typedef float half_lanes __attribute__((vector_size(2 * LANES)));
typedef double doubles __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

/* A register of numbers from any address, or fewer of them, followed by `rest`. */
INLINE lanes load(const float *from) {
    lanes found;
    memcpy(&found, from, sizeof found);
    return found;
}

INLINE lanes load_some(const float *from, int64_t count, float rest) {
#if defined(__AVX512F__)
    __mmask16 there = count > 0 ? (__mmask16)((1u << count) - 1) : 0;
    return _mm512_mask_loadu_ps(_mm512_set1_ps(rest), there, from);
#else
    float some[LANES];
    for (int lane = 0; lane < LANES; lane++) some[lane] = lane < count ? from[lane] : rest;
    return load(some);
#endif
}

/* Numbers of a row from place `i` on; `rest` beyond its end. */
INLINE lanes load_up_to(const float *row, int64_t i, int64_t end, float rest) {
    return i + LANES <= end ? load(row + i) : load_some(row + i, end - i, rest);
}

INLINE lanes all(float value) { return (lanes){0} + value; }

INLINE lanes choose(marks where, lanes yes, lanes no) {
    return (lanes)(((marks)yes & where) | ((marks)no & ~where));
}

INLINE lanes size_of(lanes values) { return (lanes)((marks)values & 0x7fffffff); }

INLINE lanes larger(lanes one, lanes other) {
#if defined(__AVX512F__)
    return _mm512_max_ps(one, other);
#elif defined(__AVX2__)
    return _mm256_max_ps(one, other);
#else
    return choose(one > other, one, other);
#endif
}

/* Halves are added to halves, since additions one after the other would each wait for the last. */
INLINE double sum_of(const lanes *values) {
    doubles sum = {0};
    for (int part = 0; part < 2 * SIDES; part++) {
        half_lanes some;
        memcpy(&some, (const char *)values + part * sizeof some, sizeof some);
        sum += __builtin_convertvector(some, doubles);
    }
#if defined(__AVX512F__)
    return _mm512_reduce_add_pd(sum);
#else
    double sums[LANES / 2];
    memcpy(sums, &sum, sizeof sum);
    for (int left = LANES / 4; left > 0; left /= 2)
        for (int lane = 0; lane < left; lane++) sums[lane] += sums[lane + left];
    return sums[0];
#endif
}

INLINE int64_t count_of(const marks *counts) {
    marks both = counts[0] + counts[1];
#if defined(__AVX512F__)
    return _mm512_reduce_add_epi32((__m512i)both);
#else
    int64_t total = 0;
    for (int lane = 0; lane < LANES; lane++) total += both[lane];
    return total;
#endif
}

INLINE float largest_of(const lanes *values) {
    lanes both = larger(values[0], values[1]);
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps(both);
#else
    float most = both[0];
    for (int lane = 1; lane < LANES; lane++) most = both[lane] > most ? both[lane] : most;
    return most;
#endif
}

/* Turn so many rows of so many numbers: mixing the halves again and again ends in columns. */
#if defined(__clang__)
#define MIXED(one, other, ...) __builtin_shufflevector(one, other, __VA_ARGS__)
#else
#define MIXED(one, other, ...) __builtin_shuffle(one, other, (marks){__VA_ARGS__})
#endif
#if LANES == 16
#define FRONTS 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define BACKS 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define FRONTS 0, 8, 1, 9, 2, 10, 3, 11
#define BACKS 4, 12, 5, 13, 6, 14, 7, 15
#else
#define FRONTS 0, 4, 1, 5
#define BACKS 2, 6, 3, 7
#endif

INLINE void turn(lanes *rows) {
    for (int mixed = 1; mixed < LANES; mixed *= 2) {
        lanes next[LANES];
        for (int row = 0; row < LANES / 2; row++) {
            next[2 * row] = MIXED(rows[row], rows[row + LANES / 2], FRONTS);
            next[2 * row + 1] = MIXED(rows[row], rows[row + LANES / 2], BACKS);
        }
        memcpy(rows, next, sizeof next);
    }
}

/* Runs `work` by several threads at once: `GOMP_parallel` of the library that torch has loaded, so
   that its threads are used and no others are made; NULL for none. */
typedef void (*Parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);

INLINE void run(Parallel parallel, int threads, void (*work)(void *), void *data) {
    if (parallel && threads > 1) parallel(work, data, (unsigned)threads, 0);
    else work(data);
}

#endif
