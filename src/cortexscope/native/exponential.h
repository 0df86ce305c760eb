/* The exponential, as many at a time as a register holds. */

#ifndef CORTEXSCOPE_EXPONENTIAL_H
#define CORTEXSCOPE_EXPONENTIAL_H

#include "lanes.h"

/* The exponential of less is no normal number any more in float32, and taken for 0. */
#define LEAST -87.0f

/* e to the power of what is 0 or less, to two units in the last place. */
INLINE lanes exponential_of(lanes power) {
    const float turn = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    marks none = power < LEAST;
    lanes whole = power * 1.44269504088896341f + turn;
    marks twos = (marks)whole;
    whole -= turn;
    lanes rest = power - whole * 0.693145751953125f - whole * 1.42860682030941723e-6f;
    lanes sum = rest * (1.0f / 5040) + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    return choose(none, all(0), sum * (lanes)((twos - 0x4B400000 + 127) << 23));
}

#endif
