/* The exponential of what is 0 or less, to two units in the last place, as many at a time as a
   register holds. */

#ifndef CORTEXSCOPE_EXPONENTIAL_H
#define CORTEXSCOPE_EXPONENTIAL_H

#include "lanes.h"

/* The exponential of less is no normal number any more in float32. */
#define LEAST -87.0f

/* What is left of a power beside a whole number of twos, raised. */
INLINE lanes without_twos(lanes power, marks *twos) {
    const float turn = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    lanes whole = power * 1.44269504088896341f + turn;
    *twos = (marks)whole - 0x4B400000;
    whole -= turn;
    lanes rest = power - whole * 0.693145751953125f - whole * 1.42860682030941723e-6f;
    lanes sum = rest * (1.0f / 5040) + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    return sum * rest + 1.0f;
}

/* 0 where it is no normal number. */
INLINE lanes exponential_of(lanes power) {
    marks twos, none = power < LEAST;
    lanes sum = without_twos(power, &twos);
    return choose(none, all(0), sum * (lanes)((twos + 127) << 23));
}

/* Also where it is none. */
INLINE lanes exponential_down_to_0(lanes power) {
    marks twos;
    lanes sum = without_twos(power, &twos);
#if defined(__AVX512F__)
    return _mm512_scalef_ps(sum, _mm512_cvtepi32_ps((__m512i)twos));
#else
    /* Two factors, since a very small result has no power of two of its own. */
    marks half = twos >> 1, other = twos - half;
    return sum * (lanes)((half + 127) << 23) * (lanes)((other + 127) << 23);
#endif
}

#endif
