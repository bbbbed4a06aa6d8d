// What the model found: its rows become named boxes in the caller's picture.
#pragma once

#include <keynet.hpp>
#include <keynet_imaging.h>

// The model sees every picture as a square with sides of this many pixels.
inline constexpr std::uint32_t INPUT_SIDE = 640;

struct Detection {
    std::string_view label;
    // How sure the model is, from 0 to 1, to three decimals.
    double score;
    // In pixels of the caller's picture, to a tenth.
    keynet_bounds bounds;
    // The label's place among the model's classes.
    std::uint32_t number;
};

// Returns the detections with a score of at least `threshold` in a picture of `width` x `height` pixels, best
// first. `rows` is the model's output: x1, y1, x2, y2 in pixels of its input, score, class. Rows that it does not
// use have score 0.
keynet::Result<std::vector<Detection>> from_rows(std::span<const float> rows, double threshold,
                                                 std::uint32_t width, std::uint32_t height);

keynet::Json to_json(const Detection &detection);
