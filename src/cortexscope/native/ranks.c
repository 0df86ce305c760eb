/* Ranks of the units of resamples, each weighted by how often it was drawn. */

#include "lanes.h"

typedef struct {
    const void *counts;    /* [resample, unit]: how often each was drawn, 16 bits, 32 where wide */
    const int64_t *order;  /* [unit]: the units from the lowest value on */
    const int64_t *starts; /* [group]: where in that order another value begins */
    double *weighted;      /* of each resample, `stride` apart: [unit] */
    int64_t resamples, units, groups, stride, wide;
} Ranks;

/* Twice the mean rank of what ties, less that of all, times the root of how often it was drawn. */
#define WEIGH(name, number)                                                                        \
    static void name(const Ranks *job, int64_t resample) {                                         \
        const number *counts = (const number *)job->counts + resample * job->units;                \
        double *weighted = job->weighted + resample * job->stride;                                 \
        int64_t below = 0;                                                                         \
        for (int64_t group = 0; group < job->groups; group++) {                                    \
            int64_t start = job->starts[group], alike = 0;                                         \
            int64_t end = group + 1 < job->groups ? job->starts[group + 1] : job->units;           \
            for (int64_t at = start; at < end; at++) alike += counts[job->order[at]];              \
            double twice = (double)(2 * below + alike - job->units);                               \
            for (int64_t at = start; at < end; at++) {                                             \
                int64_t unit = job->order[at];                                                     \
                weighted[unit] = twice * sqrt((double)counts[unit]);                               \
            }                                                                                      \
            below += alike;                                                                        \
        }                                                                                          \
    }

WEIGH(weigh, uint16_t)
WEIGH(weigh_wide, uint32_t)

void weigh_ranks(Ranks *job, Parallel parallel, int threads) {
    (void)parallel, (void)threads;
    for (int64_t resample = 0; resample < job->resamples; resample++)
        (job->wide ? weigh_wide : weigh)(job, resample);
}
