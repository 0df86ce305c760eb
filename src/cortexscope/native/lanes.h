/* As many numbers at a time as a register holds.

   The library is built once for each width of registers that its processors may have. A row is
   summed by one thread, lane by lane in float32, and its lanes are then added in float64, so that
   a result does not depend on the number of threads. */

#ifndef CORTEXSCOPE_LANES_H
#define CORTEXSCOPE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

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

#define INLINE static inline __attribute__((always_inline))

/* A register of numbers from any address, or fewer of them, followed by `rest`. */
INLINE lanes load(const float *from) {
    lanes found;
    memcpy(&found, from, sizeof found);
    return found;
}

INLINE lanes load_some(const float *from, int64_t count, float rest) {
    float some[LANES];
    for (int lane = 0; lane < LANES; lane++) some[lane] = lane < count ? from[lane] : rest;
    return load(some);
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

INLINE double sum_of(const lanes *values) {
    double sum = 0;
    for (int side = 0; side < SIDES; side++)
        for (int lane = 0; lane < LANES; lane++) sum += values[side][lane];
    return sum;
}

INLINE float largest_of(const lanes *values) {
    float largest = values[0][0];
    for (int side = 0; side < SIDES; side++)
        for (int lane = 0; lane < LANES; lane++)
            largest = values[side][lane] > largest ? values[side][lane] : largest;
    return largest;
}

/* Runs `work` by several threads at once: `GOMP_parallel` of the library that torch has loaded, so
   that its threads are used and no others are made; NULL for none. */
typedef void (*Parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);

INLINE void run(Parallel parallel, int threads, void (*work)(void *), void *data) {
    if (parallel && threads > 1) parallel(work, data, (unsigned)threads, 0);
    else work(data);
}

#endif
