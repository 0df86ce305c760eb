/* Reductions of each prompt's states, made of those of its rows. */

#include <stdlib.h>

#include "lanes.h"

/* Entries that are looked at one by one; where there are more of them, bits are. */
#define FEW 256

typedef struct {
    const float *values; /* [prompt, row, feature] */
    int64_t prompts, rows, width, stride;
    const uint8_t *tokens;        /* [prompt, row]: whether it is a token */
    const uint8_t *rest;          /* likewise, without the first one of each prompt */
    const float *norms, *largest; /* [prompt, row] */
    float *peaks;                 /* [prompt] or NULL: the largest size of an entry */
    int64_t *peak_rows, *peak_features;  /* [prompt]: where it is */
    double *resultants, *resultants_rest; /* [prompt] or NULL: squared length of the sum of all */
    float *room;             /* [prompt, feature]: what that is summed in */
    const int64_t *sample;   /* [prompt, place]: rows that stand for the prompt */
    const uint8_t *sampled;  /* likewise: whether the place is taken */
    int64_t places;
    double least, times; /* an entry is massive above both, the second times the sample's median */
    float *massive;      /* [prompt] or NULL */
    int64_t next;        /* prompt that no thread has taken yet */
} Prompts;

INLINE const float *row_of(const Prompts *job, int64_t prompt, int64_t row) {
    return job->values + (prompt * job->rows + row) * job->stride;
}

static float find_peak(const Prompts *job, int64_t prompt, int64_t *row, int64_t *feature) {
    const uint8_t *tokens = job->tokens + prompt * job->rows;
    const float *largest = job->largest + prompt * job->rows;
    float peak = -1;
    *row = *feature = 0;
    for (int64_t i = 0; i < job->rows; i++)
        if (tokens[i] && (largest[i] > peak || (isnan(largest[i]) && !isnan(peak))))
            peak = largest[i], *row = i;
    const float *at = row_of(job, prompt, *row);
    for (int64_t i = 0; i < job->width; i++)
        if (isnan(peak) ? isnan(at[i]) : fabsf(at[i]) == peak) {
            *feature = i;
            break;
        }
    return peak;
}

static void add_unit(const Prompts *job, const float *at, float norm, float *sum) {
    float weight = isfinite(norm) ? 1 / norm : NAN;
    for (int64_t i = 0; i < job->width; i++) sum[i] += weight * at[i];
}

INLINE double squared(const float *sum, int64_t width) {
    double total = 0;
    for (int64_t i = 0; i < width; i++) total += (double)sum[i] * sum[i];
    return total;
}

static void add_units(const Prompts *job, int64_t prompt) {
    const uint8_t *tokens = job->tokens + prompt * job->rows;
    const uint8_t *rest = job->rest + prompt * job->rows;
    const float *norms = job->norms + prompt * job->rows;
    float *sum = job->room + prompt * job->width;
    memset(sum, 0, (size_t)job->width * sizeof *sum);
    for (int64_t i = 0; i < job->rows; i++)
        if (rest[i] && norms[i] != 0) add_unit(job, row_of(job, prompt, i), norms[i], sum);
    job->resultants_rest[prompt] = squared(sum, job->width);
    for (int64_t i = 0; i < job->rows; i++)
        if (tokens[i] && !rest[i] && norms[i] != 0)
            add_unit(job, row_of(job, prompt, i), norms[i], sum);
    job->resultants[prompt] = squared(sum, job->width);
}

INLINE int64_t count_below(const float *at, int64_t width, float times, float limit) {
    marks count[SIDES] = {{0}};
    int64_t whole = width - width % WIDTH, total;
    for (int64_t i = 0; i < whole; i += WIDTH)
        for (int side = 0; side < SIDES; side++)
            count[side] -= times * size_of(load(at + i + side * LANES)) < limit;
    total = count_of(count);
    for (int64_t i = whole; i < width; i++) total += times * fabsf(at[i]) < limit;
    return total;
}

/* Whether a size is above so many times the lower median of the sample's sizes. */
static int is_above(const Prompts *job, int64_t prompt, float size) {
    const int64_t *sample = job->sample + prompt * job->places;
    const uint8_t *sampled = job->sampled + prompt * job->places;
    int64_t kept = 0, below = 0;
    for (int64_t place = 0; place < job->places; place++) {
        if (!sampled[place]) continue;
        kept++;
        below += count_below(row_of(job, prompt, sample[place]), job->width, (float)job->times, size);
    }
    return kept && below > (kept * job->width - 1) / 2;
}

static int by_size(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return (a > b) - (a < b);
}

/* How many entries are above the bound. Sizes are in the order of their bits. */
static float count_massive(const Prompts *job, int64_t prompt, float peak) {
    if (!isfinite(peak)) return INFINITY;
    if (!(peak > job->least) || !is_above(job, prompt, peak)) return 0;
    const uint8_t *tokens = job->tokens + prompt * job->rows;
    const float *largest = job->largest + prompt * job->rows;
    float few[FEW];
    int64_t count = 0;
    for (int64_t row = 0; row < job->rows; row++) {
        if (!tokens[row] || !(largest[row] > job->least)) continue;
        const float *at = row_of(job, prompt, row);
        for (int64_t i = 0; i < job->width; i++)
            if (fabsf(at[i]) > job->least) {
                if (count < FEW) few[count] = fabsf(at[i]);
                count++;
            }
    }
    if (count <= FEW) {
        qsort(few, (size_t)count, sizeof *few, by_size);
        int64_t low = 0, high = count - 1; /* the largest is above it */
        while (low < high) {
            int64_t between = low + (high - low) / 2;
            if (is_above(job, prompt, few[between])) high = between;
            else low = between + 1;
        }
        return (float)(count - low);
    }
    float least = (float)job->least, bound;
    int32_t low, high;
    memcpy(&low, &least, sizeof low), memcpy(&high, &peak, sizeof high);
    while (low < high) {
        int32_t between = low + (high - low) / 2;
        memcpy(&bound, &between, sizeof bound);
        if (is_above(job, prompt, bound)) high = between;
        else low = between + 1;
    }
    memcpy(&bound, &high, sizeof bound);
    count = 0;
    for (int64_t row = 0; row < job->rows; row++) {
        if (!tokens[row] || !(largest[row] >= bound)) continue;
        const float *at = row_of(job, prompt, row);
        for (int64_t i = 0; i < job->width; i++)
            count += fabsf(at[i]) >= bound && fabsf(at[i]) > job->least;
    }
    return (float)count;
}

static void reduce_next_prompt(void *data) {
    Prompts *job = data;
    for (;;) {
        int64_t prompt = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (prompt >= job->prompts) return;
        float peak = 0;
        if (job->peaks) {
            peak = find_peak(job, prompt, job->peak_rows + prompt, job->peak_features + prompt);
            job->peaks[prompt] = peak;
        }
        if (job->resultants) add_units(job, prompt);
        if (job->massive) job->massive[prompt] = count_massive(job, prompt, peak);
    }
}

void reduce_prompts(Prompts *job, Parallel parallel, int threads) {
    job->next = 0;
    run(parallel, threads, reduce_next_prompt, job);
}
