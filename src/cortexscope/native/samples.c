/* Reductions of whole attention rows that are there, each read once. */

#include "lanes.h"

typedef struct {
    const float *rows;      /* [prompt, head, row, key] */
    const int64_t *queries; /* [prompt, row]: where each query is on the axis of the keys */
    const int64_t *first;   /* [prompt, head]: the key of the first token; NULL for key 0 */
    const uint8_t *visible; /* [prompt, head, row, key] */
    const uint8_t *tokens;  /* [prompt, row]: which rows count for what keys receive */
    int64_t prompts, heads, count, keys;
    int64_t query_stride;      /* between prompts */
    int64_t first_strides[2];  /* between prompts, heads */
    int64_t visible_strides[4];
    int64_t seen_prompts, seen_heads; /* how many of each have a mask of their own */
    int64_t window;                   /* keys nearer than it are near */
    float *largest, *squares;         /* [prompt, head, row] */
    float *mass, *beyond;             /* on other keys than the first token, and times distance */
    float *distance, *near;
    float *received;   /* [prompt, head, key] */
    int64_t *counts;   /* [seen prompt, seen head, row] */
    float *even;       /* likewise: the mean distance of the visible keys */
    int64_t next;      /* prompt and head that no thread has taken yet */
} Samples;

typedef struct {
    lanes mass[SIDES], distance[SIDES], square[SIDES], most[SIDES];
} Sums;

INLINE lanes numbers_from(int64_t first) {
    lanes found;
    for (int lane = 0; lane < LANES; lane++) found[lane] = (float)(first + lane);
    return found;
}

INLINE void add_part(Sums *sums, const float *row, int64_t from, int64_t end, float query) {
    for (int64_t i = from; i < end; i += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            int64_t at = i + side * LANES;
            lanes value = load_up_to(row, at, end, 0);
            sums->mass[side] += value;
            sums->distance[side] += value * size_of(numbers_from(at) - query);
            sums->square[side] += value * value;
            sums->most[side] = choose(value > sums->most[side], value, sums->most[side]);
        }
}

static void reduce_row(const Samples *job, int64_t prompt, int64_t head, int64_t number) {
    int64_t place = (prompt * job->heads + head) * job->count + number;
    const float *row = job->rows + place * job->keys;
    int64_t query = job->queries[prompt * job->query_stride + number];
    int64_t first = 0;
    if (job->first)
        first = job->first[prompt * job->first_strides[0] + head * job->first_strides[1]];
    int there = first >= 0 && first < job->keys;
    Sums sums = {{{0}}, {{0}}, {{0}}, {{0}}};
    add_part(&sums, row, 0, there ? first : job->keys, (float)query);
    if (there) add_part(&sums, row, first + 1, job->keys, (float)query);
    /* The far first key is added last, so that it takes no digits from the others. */
    double own = there ? row[first] : 0, beyond = sum_of(sums.distance);
    double squares = sum_of(sums.square) + own * own;
    float largest = largest_of(sums.most);
    /* A comparison passes over what is no number, and a sum does not. */
    job->largest[place] = isnan(squares) ? NAN : own > largest ? (float)own : largest;
    job->squares[place] = (float)squares;
    job->mass[place] = (float)sum_of(sums.mass);
    job->beyond[place] = (float)beyond;
    job->distance[place] = (float)(beyond + own * (double)(query - first));
    double near = 0;
    int64_t from = query - job->window + 1, end = query + job->window;
    for (int64_t key = from < 0 ? 0 : from; key < end && key < job->keys; key++) near += row[key];
    job->near[place] = (float)near;
}

static void count_row(const Samples *job, int64_t prompt, int64_t head, int64_t number) {
    const int64_t *strides = job->visible_strides;
    const uint8_t *seen = job->visible + prompt * strides[0] + head * strides[1] + number * strides[2];
    int64_t query = job->queries[prompt * job->query_stride + number], count = 0, total = 0;
    for (int64_t key = 0; key < job->keys; key++) {
        int64_t apart = query > key ? query - key : key - query, is = seen[key * strides[3]] != 0;
        count += is, total += is * apart;
    }
    int64_t place = (prompt * job->seen_heads + head) * job->count + number;
    job->counts[place] = count;
    job->even[place] = (float)((double)total / (double)count);
}

static void reduce_head(const Samples *job, int64_t prompt, int64_t head) {
    int64_t place = prompt * job->heads + head;
    float *received = job->received + place * job->keys;
    memset(received, 0, (size_t)job->keys * sizeof *received);
    for (int64_t number = 0; number < job->count; number++) {
        reduce_row(job, prompt, head, number);
        if (prompt < job->seen_prompts && head < job->seen_heads)
            count_row(job, prompt, head, number);
        if (!job->tokens[prompt * job->count + number]) continue;
        const float *row = job->rows + (place * job->count + number) * job->keys;
        for (int64_t key = 0; key < job->keys; key++) received[key] += row[key];
    }
}

static void reduce_next_head(void *data) {
    Samples *job = data;
    for (;;) {
        int64_t next = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (next >= job->prompts * job->heads) return;
        reduce_head(job, next / job->heads, next % job->heads);
    }
}

void reduce_samples(Samples *job, Parallel parallel, int threads) {
    job->next = 0;
    run(parallel, threads, reduce_next_head, job);
}
