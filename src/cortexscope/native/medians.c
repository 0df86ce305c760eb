/* The lower median of the sizes of a prompt's entries, found by counting.

   Sizes are in the order of their bits, read as whole numbers; half of what is left goes at each
   count. To count is quicker than to sort or to move anything. */

#include "lanes.h"

typedef struct {
    const float *values;   /* [row, feature] */
    const int64_t *places; /* [prompt, row]: which row of the values it is */
    const uint8_t *tokens; /* [prompt, row]: whether it counts */
    int64_t prompts, rows, width, stride;
    float *medians; /* [prompt]; infinite for a prompt without tokens */
    int64_t next;   /* prompt that no thread has taken yet */
} Medians;

INLINE int64_t count_up_to(const float *row, int64_t width, int32_t limit) {
    marks count[SIDES] = {{0}};
    int64_t whole = width - width % WIDTH, total = 0;
    for (int64_t i = 0; i < whole; i += WIDTH)
        for (int side = 0; side < SIDES; side++)
            count[side] -= (marks)size_of(load(row + i + side * LANES)) <= limit;
    for (int side = 0; side < SIDES; side++)
        for (int lane = 0; lane < LANES; lane++) total += count[side][lane];
    for (int64_t i = whole; i < width; i++) {
        int32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        total += (bits & 0x7fffffff) <= limit;
    }
    return total;
}

static float median_of(const Medians *job, int64_t prompt) {
    const int64_t *places = job->places + prompt * job->rows;
    const uint8_t *tokens = job->tokens + prompt * job->rows;
    int64_t kept = 0;
    for (int64_t row = 0; row < job->rows; row++) kept += tokens[row] != 0;
    if (!kept) return INFINITY;
    int64_t middle = (kept * job->width - 1) / 2;
    int32_t low = 0, high = 0x7f800000; /* infinite; what is no number lies above */
    while (low < high) {
        int32_t between = low + (high - low) / 2;
        int64_t count = 0;
        for (int64_t row = 0; row < job->rows; row++)
            if (tokens[row])
                count += count_up_to(job->values + places[row] * job->stride, job->width, between);
        if (count > middle) high = between;
        else low = between + 1;
    }
    float found;
    memcpy(&found, &low, sizeof found);
    return found;
}

static void find_next(void *data) {
    Medians *job = data;
    for (;;) {
        int64_t prompt = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (prompt >= job->prompts) return;
        job->medians[prompt] = median_of(job, prompt);
    }
}

void find_medians(Medians *job, Parallel parallel, int threads) {
    job->next = 0;
    run(parallel, threads, find_next, job);
}
