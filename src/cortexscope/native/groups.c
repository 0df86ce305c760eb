/* Groups of rows by a number each, and what is added over them, row after row. */

#include "lanes.h"

typedef struct {
    int64_t *codes;  /* [row], below `size`; becomes each one's place among those that are there */
    int64_t *places; /* [size], zeros at first */
    int64_t *first;  /* [size]: the first row of each place, for as many as there are */
    int64_t rows, size;
    int64_t found; /* how many there are */
} Groups;

typedef struct {
    const int64_t *groups; /* [row] */
    const double *values;  /* [row] */
    const uint8_t *known;  /* [row]: which values count; NULL for all */
    double *sums;          /* [group], zeros at first */
    int64_t *counts;       /* likewise */
    int64_t rows;
} Added;

void number_groups(Groups *job, Parallel parallel, int threads) {
    (void)parallel, (void)threads;
    for (int64_t row = 0; row < job->rows; row++) job->places[job->codes[row]] = 1;
    int64_t found = 0;
    for (int64_t code = 0; code < job->size; code++)
        job->places[code] = job->places[code] ? found++ : -1;
    job->found = found;
    for (int64_t place = 0; place < found; place++) job->first[place] = -1;
    for (int64_t row = 0; row < job->rows; row++) {
        int64_t place = job->codes[row] = job->places[job->codes[row]];
        if (job->first[place] < 0) job->first[place] = row;
    }
}

void add_groups(Added *job, Parallel parallel, int threads) {
    (void)parallel, (void)threads;
    for (int64_t row = 0; row < job->rows; row++) {
        if (job->known && !job->known[row]) continue;
        job->sums[job->groups[row]] += job->values[row];
        job->counts[job->groups[row]]++;
    }
}
