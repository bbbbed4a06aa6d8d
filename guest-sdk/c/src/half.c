/* Numbers of 16 bits. */
#include <math.h>
#include <string.h>

#include "internal.h"

static uint64_t bits_of(double value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Rounds a double to a format with a sign, `exponent_bits` and `mantissa_bits`, to nearest, ties to
 * even. */
static uint16_t narrow(double value, int exponent_bits, int mantissa_bits) {
    uint64_t bits = bits_of(value);
    uint16_t sign = (uint16_t)((bits >> 63) << 15);
    uint16_t infinity = (uint16_t)(((1U << exponent_bits) - 1U) << mantissa_bits);
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)((bits >> 52) & 0x7ff) - 1023;
    uint64_t mantissa = bits & 0xfffffffffffffULL;
    if (exponent == 1024) { /* infinity, or no number */
        uint32_t quiet = mantissa != 0 ? 1U << (mantissa_bits - 1) : 0U;
        return (uint16_t)(sign | infinity | quiet);
    }
    if (exponent > bias) return (uint16_t)(sign | infinity);
    mantissa |= 1ULL << 52;
    int dropped = 52 - mantissa_bits;
    int stored = exponent + bias;
    if (stored <= 0) { /* subnormal: more bits are dropped */
        dropped += 1 - stored;
        stored = 0;
        if (dropped > 54) return sign;
    }
    uint64_t kept = mantissa >> dropped;
    uint64_t rest = mantissa & ((1ULL << dropped) - 1);
    uint64_t half = 1ULL << (dropped - 1);
    if (rest > half || (rest == half && (kept & 1) != 0)) kept++;
    /* The leading bit of a normal number adds one to the exponent, and so does a carry. */
    uint64_t base = stored == 0 ? 0 : (uint64_t)(stored - 1) << mantissa_bits;
    return (uint16_t)(sign | (base + kept));
}

uint16_t keynet_fp16_from(double value) {
    return narrow(value, 5, 10);
}

uint16_t keynet_bf16_from(double value) {
    return narrow(value, 8, 7);
}

double keynet_fp16_to(uint16_t bits) {
    int exponent = (bits >> 10) & 0x1f;
    int mantissa = bits & 0x3ff;
    double size = 0;
    if (exponent == 0x1f) {
        size = mantissa != 0 ? NAN : INFINITY;
    } else if (exponent == 0) {
        size = ldexp(mantissa, -24);
    } else {
        size = ldexp(mantissa + 0x400, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -size : size;
}

double keynet_bf16_to(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value = 0;
    memcpy(&value, &wide, sizeof value);
    return value;
}
