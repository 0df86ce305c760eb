/* What each row of an attention's probabilities comes to, one row after the other.

   Scores of a few rows at a time are a small product that stays in the cache, and so does their
   softmax; no matrix is kept. With the largest score m of a row, e_j = exp(s_j - m), R the sum of
   e_j over the keys that are not at the largest, and c the number of those that are, the row's
   entropy is log(c + R) + sum_j e_j (m - s_j) / (c + R). All its terms are positive, so that a
   nearly certain row loses no digits. */

#include "exponential.h"

#include <stdlib.h>

/* Rows; with two registers of keys each, their scores leave some of all registers free. */
#if defined(__AVX512F__)
#define TOGETHER 12 /* of 32 */
#else
#define TOGETHER 6 /* of 16 */
#endif
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

/* Features, filled up with zeros to a whole register. */
INLINE int64_t filled(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

/* Keys, filled up to as many registers as are read at once. */
INLINE int64_t whole_registers(int64_t keys) { return (keys + WIDTH - 1) / WIDTH * WIDTH; }

/* Turn keys so that the same feature of a few lies side by side. */
INLINE void turn_keys(const float *from, int64_t stride, int64_t keys, int64_t width, float *to) {
    for (int64_t first = 0; first < whole_registers(keys); first += LANES) {
        float *block = to + first / WIDTH * WIDTH * filled(width) + first % WIDTH;
        for (int64_t feature = 0; feature < width; feature += LANES) {
            lanes rows[LANES];
            for (int64_t row = 0; row < LANES; row++)
                rows[row] = first + row < keys
                                ? load_up_to(from + (first + row) * stride, feature, width, 0)
                                : all(0);
            turn(rows);
            for (int64_t row = 0; row < LANES; row++)
                memcpy(block + (feature + row) * WIDTH, rows + row, sizeof *rows);
        }
    }
}

/* Scores of a few queries, laid side by side a register at a time, with the keys up to `limit`. */
INLINE void score(const float *queries, const float *turned, int64_t width, int64_t limit,
                  float scale, float *scores, int64_t stride) {
    for (int64_t first = 0; first < limit; first += WIDTH) {
        lanes sums[TOGETHER][SIDES] = {{{0}}};
        const float *at = queries;
        for (int64_t some = 0; some < width; some += LANES, at += TOGETHER * LANES)
            for (int feature = 0; feature < LANES; feature++, turned += WIDTH) {
                lanes keys[SIDES];
                for (int side = 0; side < SIDES; side++) keys[side] = load(turned + side * LANES);
                for (int row = 0; row < TOGETHER; row++)
                    for (int side = 0; side < SIDES; side++)
                        sums[row][side] += keys[side] * at[row * LANES + feature];
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

/* A few rows go through each step together, so that none waits for another's result. */
typedef struct {
    float *scores;
    const float *bias;
    int64_t limit; /* keys from here on are hidden */
    float largest; /* minus infinity where all are */
    double others; /* c - 1 + R of the head of this file */
    double spread; /* the sum of e_j (m - s_j) */
} Row;

INLINE void find_largest(Row *row) {
    int64_t end = whole_registers(row->limit);
    float *scores = row->scores;
    if (row->bias) for (int64_t key = 0; key < row->limit; key++) scores[key] += row->bias[key];
    for (int64_t key = row->limit; key < end; key++) scores[key] = -INFINITY;
    lanes most[SIDES] = {all(-INFINITY), all(-INFINITY)};
    for (int64_t key = 0; key < end; key += WIDTH)
        for (int side = 0; side < SIDES; side++)
            most[side] = larger(load(scores + key + side * LANES), most[side]);
    row->largest = largest_of(most);
    if (row->largest != -INFINITY) return;
    for (int64_t key = 0; key < row->limit; key++) if (isnan(scores[key])) row->largest = NAN;
}

/* Scores become e_j, up to the end of a register. */
INLINE void raise_scores(Row *row) {
    lanes rest[SIDES] = {{0}}, spread[SIDES] = {{0}};
    marks ties[SIDES] = {{0}};
    int64_t end = row->largest == -INFINITY ? 0 : whole_registers(row->limit);
    for (int64_t key = 0; key < end; key += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes below = load(row->scores + key + side * LANES) - row->largest;
            marks largest = below == 0, none = below <= LOWEST;
            /* What is no number stays so; one too small for float32 would take a processor long. */
            below = choose(none, all(0), below);
            lanes share = choose(none, all(0), exponential_down_to_0(below));
            ties[side] -= largest;
            rest[side] += choose(largest, all(0), share);
            spread[side] -= share * below;
            memcpy(row->scores + key + side * LANES, &share, sizeof share);
        }
    row->others = (double)(count_of(ties) - 1) + sum_of(rest);
    row->spread = sum_of(spread);
}

INLINE float entropy_of(const Row *row) {
    if (row->largest == -INFINITY) return 0;
    /* The logarithm of 1 and little more has to keep the digits of what is more. */
    double log_of_sum = row->others > 0.5 ? log(1 + row->others) : log1p(row->others);
    return (float)(log_of_sum + row->spread / (1 + row->others));
}

INLINE float mass_on(const Row *row, int64_t key) {
    if (row->largest == -INFINITY || key < 0 || key >= row->limit) return 0;
    return (float)(row->scores[key] / (1 + row->others));
}

INLINE void note_row(const Attention *job, const Row *row, int64_t prompt, int64_t head,
                     int64_t query) {
    int64_t place = (prompt * job->heads + head) * job->queries + query;
    if (job->entropy) job->entropy[place] = entropy_of(row);
    for (int number = 0; number < CHOSEN; number++) {
        if (!job->masses[number]) continue;
        const int64_t *strides = job->chosen_strides[number];
        const int64_t *key = job->chosen[number] + prompt * strides[0] + head * strides[1];
        job->masses[number][place] = mass_on(row, key[query * strides[2]]);
    }
    if (!job->whole) return;
    int64_t slot = job->slots ? job->slots[prompt * job->queries + query] : query;
    if (slot < 0) return;
    float *whole = job->whole + ((prompt * job->heads + head) * job->wholes + slot) * job->keys;
    int64_t limit = row->largest == -INFINITY ? 0 : row->limit;
    for (int64_t key = 0; key < limit; key++)
        whole[key] = (float)(row->scores[key] / (1 + row->others));
    memset(whole + limit, 0, sizeof *whole * (size_t)(job->keys - limit));
}

typedef struct {
    float *turned, *queries, *scores;
} Room;

static void attend_unit(const Attention *job, Room room, int64_t prompt, int64_t group,
                               int64_t first_head, int64_t heads) {
    int64_t width = job->width, stride = whole_registers(job->keys);
    turn_keys(job->key + prompt * job->key_strides[0] + group * job->key_strides[1],
              job->key_strides[2], job->keys, width, room.turned);
    for (int64_t head = first_head; head < first_head + heads; head++) {
        const float *query =
            job->query + prompt * job->query_strides[0] + head * job->query_strides[1];
        for (int64_t first = 0; first < job->queries; first += TOGETHER) {
            Row rows[TOGETHER];
            int64_t limit = 0;
            for (int number = 0; number < TOGETHER; number++) {
                Row *row = rows + number;
                /* Beyond the last query, the last once more. */
                int64_t own = first + number < job->queries ? first + number : job->queries - 1;
                int64_t here = job->where ? job->where[prompt * job->queries + own] : own;
                row->scores = room.scores + number * stride;
                row->bias = NULL;
                if (job->bias)
                    row->bias = job->bias + prompt * job->bias_strides[0] +
                                head * job->bias_strides[1] + here * job->bias_strides[2];
                row->limit = seen_keys(job, row->bias, here);
                if (row->limit > limit) limit = row->limit;
                const float *at = query + here * job->query_strides[2];
                for (int64_t feature = 0; feature < width; feature += LANES) {
                    lanes some = load_up_to(at, feature, width, 0);
                    memcpy(room.queries + feature * TOGETHER + number * LANES, &some, sizeof some);
                }
            }
            score(room.queries, room.turned, width, limit, (float)job->scale, room.scores, stride);
            int64_t left = job->queries - first, count = left < TOGETHER ? left : TOGETHER;
            for (int64_t number = 0; number < count; number++) find_largest(rows + number);
            for (int64_t number = 0; number < count; number++) raise_scores(rows + number);
            for (int64_t number = 0; number < count; number++)
                note_row(job, rows + number, prompt, head, first + number);
        }
    }
}

static void attend_next(void *data) {
    Attention *job = data;
    int64_t stride = whole_registers(job->keys);
    int64_t apart = job->keys > SHARED ? job->heads / job->groups : 1;
    int64_t units = job->prompts * job->groups * apart;
    int64_t width = filled(job->width);
    float *room =
        malloc(sizeof(float) * (size_t)(stride * width + TOGETHER * width + TOGETHER * stride));
    if (!room) {
        __atomic_store_n(&job->starved, 1, __ATOMIC_RELAXED);
        return;
    }
    Room parts = {room, room + stride * width, room + stride * width + TOGETHER * width};
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
