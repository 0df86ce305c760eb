/* What each row of an attention's probabilities comes to, one row after the other.

   Scores of a few rows at a time are a small product that stays in the cache, and so does their
   softmax; no matrix is kept. With the largest score m of a row, e_j = exp(s_j - m), R the sum of
   e_j over the keys that are not at the largest, and c the number of those that are, the row's
   entropy is log(c + R) + sum_j e_j (m - s_j) / (c + R). All its terms are positive, so that a
   nearly certain row loses no digits. */

#include "exponential.h"

#include <stdlib.h>

#define TOGETHER 6 /* rows; with two registers of keys each, their scores leave four of sixteen free */
#define CHOSEN 4
#define LOWEST -104.0f /* the exponential of less is 0 in float32 */
#define HIDDEN -1e9f   /* what hides a key is below */
#define SHARED 256     /* keys up to which the heads of a group share one copy of them */

typedef struct {
    const float *query; /* [prompt, head, query, feature], the last of them side by side */
    const float *key;   /* [prompt, group, key, feature] likewise */
    const float *bias;  /* [prompt, head, query, key] likewise, or NULL */
    int64_t prompts, heads, groups, queries, keys, width;
    int64_t query_strides[3], key_strides[3], bias_strides[3];
    const int64_t *where; /* [prompt, query]: which row each query is; NULL for its own number */
    int64_t causal;       /* whether row i sees no key after key i */
    double scale;
    float *entropy;                   /* [prompt, head, query] or NULL */
    const int64_t *chosen[CHOSEN];    /* keys, below 0 for none, or NULL */
    int64_t chosen_strides[CHOSEN][3];
    float *masses[CHOSEN]; /* [prompt, head, query]: the probability on the key */
    float *whole;          /* [prompt, head, slot, key]: all probabilities of some rows, or NULL */
    const int64_t *slots;  /* [prompt, query]: where a row goes in them, below 0 for nowhere; NULL
                              for its own number */
    int64_t wholes;        /* how many slots there are */
    int64_t next;          /* unit of work that no thread has taken yet */
    int64_t starved;       /* whether a thread had no memory */
} Attention;

/* Turn keys so that the features of a few lie side by side. */
INLINE void turn_keys(const float *from, int64_t stride, int64_t keys, int64_t width, float *to) {
    for (int64_t first = 0; first < keys; first += WIDTH, to += WIDTH * width) {
        int64_t some = keys - first < WIDTH ? keys - first : WIDTH;
        for (int64_t lane = 0; lane < some; lane++) {
            const float *at = from + (first + lane) * stride;
            for (int64_t feature = 0; feature < width; feature++)
                to[feature * WIDTH + lane] = at[feature];
        }
        for (int64_t lane = some; lane < WIDTH; lane++)
            for (int64_t feature = 0; feature < width; feature++) to[feature * WIDTH + lane] = 0;
    }
}

/* Scores of a few queries, laid side by side feature by feature, with the keys up to `limit`. */
INLINE void score(const float *queries, const float *turned, int64_t width, int64_t limit,
                  float scale, float *scores, int64_t stride) {
    for (int64_t first = 0; first < limit; first += WIDTH, turned += WIDTH * width) {
        lanes sums[TOGETHER][SIDES] = {{{0}}};
        for (int64_t feature = 0; feature < width; feature++) {
            lanes keys[SIDES];
            for (int side = 0; side < SIDES; side++)
                keys[side] = load(turned + feature * WIDTH + side * LANES);
            const float *at = queries + feature * TOGETHER;
            for (int row = 0; row < TOGETHER; row++)
                for (int side = 0; side < SIDES; side++) sums[row][side] += keys[side] * at[row];
        }
        for (int row = 0; row < TOGETHER; row++)
            for (int side = 0; side < SIDES; side++) {
                lanes found = sums[row][side] * scale;
                memcpy(scores + row * stride + first + side * LANES, &found, sizeof found);
            }
    }
}

INLINE int64_t seen_keys(const Attention *job, const float *bias, int64_t row) {
    int64_t limit = job->keys;
    if (job->causal && row + 1 < limit) limit = row + 1;
    if (bias) while (limit > 0 && bias[limit - 1] < HIDDEN) limit--;
    return limit;
}

/* Finish one row; its scores are changed, up to the end of a register. */
INLINE void finish_row(const Attention *job, float *scores, const float *bias, int64_t limit,
                       int64_t prompt, int64_t head, int64_t query) {
    int64_t place = (prompt * job->heads + head) * job->queries + query;
    int64_t end = (limit + WIDTH - 1) / WIDTH * WIDTH;
    if (bias) for (int64_t key = 0; key < limit; key++) scores[key] += bias[key];
    for (int64_t key = limit; key < end; key++) scores[key] = -INFINITY;
    lanes most[SIDES] = {all(-INFINITY), all(-INFINITY)};
    for (int64_t key = 0; key < end; key += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes found = load(scores + key + side * LANES);
            most[side] = choose(found > most[side], found, most[side]);
        }
    float top = largest_of(most);
    int empty = top == -INFINITY;
    if (empty) for (int64_t key = 0; key < limit; key++) if (isnan(scores[key])) top = NAN, empty = 0;
    lanes rest[SIDES] = {{0}}, spread[SIDES] = {{0}};
    marks ties[SIDES] = {{0}};
    for (int64_t key = 0; !empty && key < end; key += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes below = load(scores + key + side * LANES) - top;
            /* What is no number stays so. */
            marks none = below <= LOWEST;
            below = choose(none, all(LOWEST), below);
            lanes share = choose(none, all(0), exponential_down_to_0(below));
            marks largest = below == 0;
            ties[side] -= largest;
            rest[side] += choose(largest, all(0), share);
            spread[side] -= share * below;
            memcpy(scores + key + side * LANES, &share, sizeof share);
        }
    int64_t tied = 0;
    for (int side = 0; side < SIDES; side++)
        for (int lane = 0; lane < LANES; lane++) tied += ties[side][lane];
    double others = (double)(tied - 1) + sum_of(rest);
    if (job->entropy)
        job->entropy[place] = empty ? 0 : (float)(log1p(others) + sum_of(spread) / (1 + others));
    for (int number = 0; number < CHOSEN; number++) {
        if (!job->masses[number]) continue;
        const int64_t *strides = job->chosen_strides[number];
        int64_t key = job->chosen[number][prompt * strides[0] + head * strides[1] + query * strides[2]];
        int there = !empty && key >= 0 && key < limit;
        job->masses[number][place] = there ? (float)(scores[key] / (1 + others)) : 0;
    }
    if (!job->whole) return;
    int64_t slot = job->slots ? job->slots[prompt * job->queries + query] : query;
    if (slot < 0) return;
    float *whole = job->whole + ((prompt * job->heads + head) * job->wholes + slot) * job->keys;
    for (int64_t key = 0; key < job->keys; key++)
        whole[key] = empty || key >= limit ? 0 : (float)(scores[key] / (1 + others));
}

typedef struct {
    float *turned, *queries, *scores;
} Room;

static void attend_unit(const Attention *job, Room room, int64_t prompt, int64_t group,
                               int64_t first_head, int64_t heads) {
    int64_t width = job->width, stride = (job->keys + WIDTH - 1) / WIDTH * WIDTH;
    turn_keys(job->key + prompt * job->key_strides[0] + group * job->key_strides[1],
              job->key_strides[2], job->keys, width, room.turned);
    for (int64_t head = first_head; head < first_head + heads; head++) {
        const float *query =
            job->query + prompt * job->query_strides[0] + head * job->query_strides[1];
        for (int64_t first = 0; first < job->queries; first += TOGETHER) {
            int64_t limits[TOGETHER], limit = 0;
            const float *biases[TOGETHER];
            for (int row = 0; row < TOGETHER; row++) {
                /* Beyond the last query, the last once more. */
                int64_t number = first + row < job->queries ? first + row : job->queries - 1;
                int64_t here = job->where ? job->where[prompt * job->queries + number] : number;
                biases[row] = job->bias ? job->bias + prompt * job->bias_strides[0] +
                                              head * job->bias_strides[1] +
                                              here * job->bias_strides[2]
                                        : NULL;
                limits[row] = seen_keys(job, biases[row], here);
                if (limits[row] > limit) limit = limits[row];
                const float *at = query + here * job->query_strides[2];
                for (int64_t feature = 0; feature < width; feature++)
                    room.queries[feature * TOGETHER + row] = at[feature];
            }
            score(room.queries, room.turned, width, limit, (float)job->scale, room.scores, stride);
            for (int row = 0; row < TOGETHER && first + row < job->queries; row++)
                finish_row(job, room.scores + row * stride, biases[row], limits[row], prompt, head,
                           first + row);
        }
    }
}

static void attend_next(void *data) {
    Attention *job = data;
    int64_t stride = (job->keys + WIDTH - 1) / WIDTH * WIDTH;
    int64_t apart = job->keys > SHARED ? job->heads / job->groups : 1;
    int64_t units = job->prompts * job->groups * apart;
    float *room = malloc(sizeof(float) * (size_t)(stride * job->width + TOGETHER * job->width +
                                                  TOGETHER * stride));
    if (!room) {
        __atomic_store_n(&job->starved, 1, __ATOMIC_RELAXED);
        return;
    }
    Room parts = {room, room + stride * job->width,
                  room + stride * job->width + TOGETHER * job->width};
    for (;;) {
        int64_t unit = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (unit >= units) break;
        int64_t heads = job->heads / job->groups / apart;
        int64_t prompt = unit / (job->groups * apart), slot = unit % (job->groups * apart);
        attend_unit(job, parts, prompt, slot / apart, slot * heads, heads);
    }
    free(room);
}

void attend_rows(Attention *job, Parallel parallel, int threads) {
    job->next = 0, job->starved = 0;
    run(parallel, threads, attend_next, job);
}
