/* Reductions of each row of a matrix of states, read once. */

#include "lanes.h"

#define ROWS_AT_ONCE 16

typedef struct {
    const float *values;    /* [row, feature] */
    const float *others;    /* likewise, for products with the same rows; or NULL */
    const int64_t *places;   /* [row]: which row of the values it is; NULL for the same */
    int64_t rows, width;
    int64_t stride, other_stride; /* between rows */
    double threshold, share;
    float *sums, *sizes, *norms, *largest; /* [row]; all or none */
    float *means, *seconds, *fourths;      /* likewise */
    float *zeros;                          /* [row] or NULL: entries that are 0 */
    float *below;                          /* likewise: below the threshold */
    float *relative; /* likewise: below a share of the root mean square, which needs the norms */
    float *products; /* [row] or NULL */
    int64_t next;                          /* row that no thread has taken yet */
} States;

INLINE void sum_row(const States *job, int64_t row, const float *at) {
    lanes sum[SIDES] = {{0}}, size[SIDES] = {{0}}, square[SIDES] = {{0}}, most[SIDES] = {{0}};
    for (int64_t i = 0; i < job->width; i += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes value = load_up_to(at, i + side * LANES, job->width, 0);
            lanes large = size_of(value);
            sum[side] += value, size[side] += large, square[side] += value * value;
            most[side] = choose(large > most[side], large, most[side]);
        }
    double squares = sum_of(square);
    job->sums[row] = (float)sum_of(sum);
    job->sizes[row] = (float)sum_of(size);
    job->norms[row] = (float)sqrt(squares);
    /* A comparison passes over what is no number, and a sum does not. */
    job->largest[row] = isnan(squares) ? NAN : largest_of(most);
}

INLINE void moments_of_row(const States *job, int64_t row, const float *at) {
    lanes sum[SIDES] = {{0}}, second[SIDES] = {{0}}, fourth[SIDES] = {{0}};
    for (int64_t i = 0; i < job->width; i += WIDTH)
        for (int side = 0; side < SIDES; side++)
            sum[side] += load_up_to(at, i + side * LANES, job->width, 0);
    float mean = (float)(sum_of(sum) / (double)job->width);
    for (int64_t i = 0; i < job->width; i += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes apart = load_up_to(at, i + side * LANES, job->width, mean) - mean;
            lanes square = apart * apart;
            second[side] += square, fourth[side] += square * square;
        }
    job->means[row] = mean;
    job->seconds[row] = (float)sum_of(second);
    job->fourths[row] = (float)sum_of(fourth);
}

INLINE float count_below(const float *at, int64_t width, float threshold, int or_equal) {
    int64_t whole = width - width % LANES, total = 0;
    marks count = {0};
    for (int64_t i = 0; i < whole; i += LANES) {
        lanes large = size_of(load(at + i));
        count -= or_equal ? large <= threshold : large < threshold;
    }
    for (int lane = 0; lane < LANES; lane++) total += count[lane];
    for (int64_t i = whole; i < width; i++) {
        float large = fabsf(at[i]);
        total += or_equal ? large <= threshold : large < threshold;
    }
    return (float)total;
}

INLINE void multiply_row(const States *job, int64_t row, int64_t place, const float *at) {
    const float *other = job->others + place * job->other_stride;
    lanes product[SIDES] = {{0}};
    for (int64_t i = 0; i < job->width; i += WIDTH)
        for (int side = 0; side < SIDES; side++)
            product[side] += load_up_to(at, i + side * LANES, job->width, 0) *
                             load_up_to(other, i + side * LANES, job->width, 0);
    job->products[row] = (float)sum_of(product);
}

static void reduce_some(const States *job, int64_t first, int64_t end) {
    for (int64_t row = first; row < end; row++) {
        int64_t place = job->places ? job->places[row] : row;
        const float *at = job->values + place * job->stride;
        if (job->sums) sum_row(job, row, at);
        if (job->means) moments_of_row(job, row, at);
        if (job->zeros) job->zeros[row] = count_below(at, job->width, 0, 1);
        if (job->below) job->below[row] = count_below(at, job->width, (float)job->threshold, 0);
        if (job->relative) {
            float bound = job->norms[row] * (float)(job->share / sqrt((double)job->width));
            job->relative[row] = count_below(at, job->width, bound, 0);
        }
        if (job->products) multiply_row(job, row, place, at);
    }
}

static void reduce_next(void *data) {
    States *job = data;
    for (;;) {
        int64_t first = __atomic_fetch_add(&job->next, ROWS_AT_ONCE, __ATOMIC_RELAXED);
        if (first >= job->rows) return;
        int64_t end = first + ROWS_AT_ONCE;
        reduce_some(job, first, end < job->rows ? end : job->rows);
    }
}

void reduce_states(States *job, Parallel parallel, int threads) {
    job->next = 0;
    run(parallel, threads, reduce_next, job);
}
