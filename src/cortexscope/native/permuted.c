/* Sums of permuted values times columns, without a permuted value being written anywhere. */

#include "lanes.h"

/* So many columns of float64 lie side by side, in registers of so many each. */
#define SIDE 8
#define WIDE (LANES / 2)
#define REGISTERS (SIDE / WIDE)

/* Permutations that share what is read of the columns: as many as leave each sum a register. */
#define SHARED (8 / REGISTERS)

/* Units whose terms are added among themselves before they are added to the rest. */
#define BLOCK 512

typedef struct {
    const double *values;  /* [unit] */
    const void *orders;    /* [permutation, unit], of 16 bits, or of 32 where they are wide */
    const double *columns; /* [part, unit, SIDE]: SIDE columns a part, the last filled with zeros */
    double *sums;          /* [part, permutation, SIDE] */
    int64_t units, permutations, parts, wide;
} Permuted;

/* The same steps for each type of a place and number of permutations, known as it is compiled. */
#define ADD(name, place, count)                                                                    \
    static void name(const Permuted *job, int64_t part, int64_t first) {                           \
        const place *orders = (const place *)job->orders + first * job->units;                     \
        const double *columns = job->columns + part * job->units * SIDE;                           \
        double *sums = job->sums + (part * job->permutations + first) * SIDE;                      \
        doubles whole[count][REGISTERS] = {{{0}}};                                                 \
        for (int64_t start = 0; start < job->units; start += BLOCK) {                              \
            int64_t end = start + BLOCK < job->units ? start + BLOCK : job->units;                 \
            doubles block[count][REGISTERS] = {{{0}}};                                             \
            for (int64_t unit = start; unit < end; unit++) {                                       \
                doubles side[REGISTERS];                                                           \
                for (int at = 0; at < REGISTERS; at++)                                             \
                    memcpy(side + at, columns + unit * SIDE + at * WIDE, sizeof *side);            \
                for (int own = 0; own < count; own++) {                                            \
                    double value = job->values[orders[own * job->units + unit]];                   \
                    for (int at = 0; at < REGISTERS; at++) block[own][at] += value * side[at];     \
                }                                                                                  \
            }                                                                                      \
            for (int own = 0; own < count; own++)                                                  \
                for (int at = 0; at < REGISTERS; at++) whole[own][at] += block[own][at];           \
        }                                                                                          \
        memcpy(sums, whole, sizeof whole);                                                         \
    }

ADD(add_shared, uint16_t, SHARED)
ADD(add_shared_wide, uint32_t, SHARED)
ADD(add_one, uint16_t, 1)
ADD(add_one_wide, uint32_t, 1)

void sum_permuted(Permuted *job, Parallel parallel, int threads) {
    (void)parallel, (void)threads;
    int64_t first = 0;
    for (; first + SHARED <= job->permutations; first += SHARED)
        for (int64_t part = 0; part < job->parts; part++)
            (job->wide ? add_shared_wide : add_shared)(job, part, first);
    for (; first < job->permutations; first++)
        for (int64_t part = 0; part < job->parts; part++)
            (job->wide ? add_one_wide : add_one)(job, part, first);
}
