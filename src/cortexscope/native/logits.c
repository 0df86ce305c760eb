/* What rows of logits come to, a piece of the vocabulary after the other, each read once.

   With the largest logit m so far, e_v = exp(s_v - m) has the sum `mass`, and e_v (s_v - m) the sum
   `moment`: both are small numbers, so that nothing cancels, and shrink by exp(old m - new m) when
   a larger one comes. A piece is read in blocks that stay in the first cache, since each needs its
   largest logit before its exponentials. */

#include "exponential.h"

#define BLOCK 1024 /* logits; float32 sums of them are added up in float64 */

typedef struct {
    const float *const *scores; /* [member]: each [row, token], the last of them side by side */
    const int64_t *strides;     /* [member]: between rows */
    int64_t members, rows, width;
    int64_t start;         /* number of the first token */
    int64_t base;          /* the member that others are held against, or -1 */
    const int64_t *tokens; /* [row]: the token in question */
    const float *marks;    /* [member, row]: what scores are counted above, or NULL */
    float *best, *second;  /* [member, row]: the two largest; the second or NULL */
    float *wanted;         /* [member, row]: of the token in question */
    int64_t *top;          /* [member, row]: the first token with the largest */
    int64_t *above;        /* [member, row] or NULL: tokens but that one above the mark */
    double *mass, *moment; /* [member, row] */
    double *apart;         /* [member, row] or NULL: of e_v of the base and both scores' difference */
    int64_t next;          /* row that no thread has taken yet */
} Logits;

typedef struct {
    float largest, second;
} Two;

/* The same scores, or where they do not fill whole registers a copy that does. */
INLINE const float *filled_up(const float *scores, int64_t width, float *room) {
    int64_t end = (width + WIDTH - 1) / WIDTH * WIDTH;
    if (width == end) return scores;
    memcpy(room, scores, sizeof *room * (size_t)width);
    for (int64_t i = width; i < end; i++) room[i] = -INFINITY;
    return room;
}

INLINE lanes smaller(lanes one, lanes other) { return choose(one < other, one, other); }

INLINE Two largest_two(const float *scores, int64_t width, int both) {
    lanes best[SIDES] = {all(-INFINITY), all(-INFINITY)};
    lanes next[SIDES] = {all(-INFINITY), all(-INFINITY)};
    for (int64_t i = 0; i < width; i += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            lanes score = load(scores + i + side * LANES);
            if (both) next[side] = larger(smaller(score, best[side]), next[side]);
            best[side] = larger(score, best[side]);
        }
    Two found = {largest_of(best), -INFINITY};
    int seen = 0;
    for (int side = 0; both && side < SIDES; side++)
        for (int lane = 0; lane < LANES; lane++) {
            float score = best[side][lane], other = next[side][lane];
            if (score == found.largest && !seen) seen = 1, score = other;
            found.second = score > found.second ? score : found.second;
        }
    return found;
}

/* Take the largest of a block; return by what earlier sums shrink. */
INLINE double begin_block(const Logits *job, int64_t place, const float *scores, int64_t width,
                          int64_t first) {
    Two found = largest_two(scores, width, job->second != NULL);
    float before = job->best[place];
    int more = found.largest > before;
    if (job->second) {
        float second = more ? before : found.largest;
        second = found.second > second ? found.second : second;
        job->second[place] = second > job->second[place] ? second : job->second[place];
    }
    if (!more) return 1;
    job->best[place] = found.largest;
    int64_t at = 0;
    while (scores[at] != found.largest) at++;
    job->top[place] = first + at;
    double shift = (double)before - (double)found.largest, shrink = exp(shift);
    /* Nothing has no moment, and minus infinity times it is no number. */
    if (job->mass[place] != 0)
        job->moment[place] = shrink * (job->moment[place] + job->mass[place] * shift);
    job->mass[place] *= shrink;
    return shrink;
}

/* Add a block to the sums; `base` and the weights of its block are NULL without one. */
INLINE void add_block(const Logits *job, int64_t place, const float *scores, int64_t width,
                      const float *base, const float *weights, float *made) {
    /* Of scores that are all minus infinity none has a weight. */
    float about = job->best[place] == -INFINITY ? 0 : job->best[place];
    float mark = job->marks ? job->marks[place] : 0;
    lanes mass[SIDES] = {{0}}, moment[SIDES] = {{0}}, apart[SIDES] = {{0}};
    marks above[SIDES] = {{0}};
    for (int64_t i = 0; i < width; i += WIDTH)
        for (int side = 0; side < SIDES; side++) {
            int64_t at = i + side * LANES;
            lanes score = load(scores + at);
            lanes below = score - about, share = exponential_of(below);
            marks none = share == 0;
            mass[side] += share;
            moment[side] += choose(none, all(0), share * below);
            if (job->marks) above[side] -= score > mark;
            if (made) memcpy(made + at, &share, sizeof share);
            if (weights) {
                lanes weight = load(weights + at);
                lanes more = load(base + at) - score;
                /* What has no weight adds nothing, also where a token is ruled out. */
                apart[side] += choose(weight > 0, weight * more, all(0));
            }
        }
    job->mass[place] += sum_of(mass);
    job->moment[place] += sum_of(moment);
    if (weights) job->apart[place] += sum_of(apart);
    if (job->marks) job->above[place] += count_of(above);
}

/* The token in question is compared with no mark: its score, computed with others, differs a little
   from the same computed alone. */
INLINE void note_token(const Logits *job, int64_t place, const float *scores, int64_t row) {
    int64_t at = job->tokens[row] - job->start;
    if (at < 0 || at >= job->width) return;
    job->wanted[place] = scores[at];
    if (job->marks) job->above[place] -= scores[at] > job->marks[place];
}

static void read_row(const Logits *job, int64_t row) {
    float weights[BLOCK], our_room[BLOCK], their_room[BLOCK];
    int64_t base = job->base, base_place = base * job->rows + row;
    const float *ours = base < 0 ? NULL : job->scores[base] + row * job->strides[base];
    for (int64_t first = 0; first < job->width; first += BLOCK) {
        int64_t width = job->width - first < BLOCK ? job->width - first : BLOCK;
        const float *held = NULL;
        if (ours) {
            held = filled_up(ours + first, width, our_room);
            double shrink = begin_block(job, base_place, held, width, job->start + first);
            for (int64_t member = 0; shrink != 1 && member < job->members; member++)
                job->apart[member * job->rows + row] *= shrink;
            add_block(job, base_place, held, width, NULL, NULL, weights);
        }
        for (int64_t member = 0; member < job->members; member++) {
            if (member == base) continue;
            const float *scores = filled_up(
                job->scores[member] + row * job->strides[member] + first, width, their_room);
            int64_t place = member * job->rows + row;
            begin_block(job, place, scores, width, job->start + first);
            if (held) add_block(job, place, scores, width, held, weights, NULL);
            else add_block(job, place, scores, width, NULL, NULL, NULL);
        }
    }
    for (int64_t member = 0; member < job->members; member++)
        note_token(job, member * job->rows + row,
                   job->scores[member] + row * job->strides[member], row);
}

static void read_next(void *data) {
    Logits *job = data;
    for (;;) {
        int64_t row = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (row >= job->rows) return;
        read_row(job, row);
    }
}

void read_logits(Logits *job, Parallel parallel, int threads) {
    job->next = 0;
    run(parallel, threads, read_next, job);
}
