#include "detection.hpp"

#include <algorithm>
#include <array>
#include <cmath>

// The classes of `models/detector` of examples/image-detection, in the model's order.
static constexpr std::array<std::string_view, 8> LABELS = {
    "apple", "car", "clock", "fish", "house", "mug", "sailboat", "umbrella"};

static double rounded(double value, double unit) {
    return std::round(value * unit) / unit;
}

// From pixels of the model's input to pixels of the picture, inside it.
static double scaled(float position, std::uint32_t side) {
    return rounded(std::clamp(static_cast<double>(position) / INPUT_SIDE * side, 0.0, double(side)), 10);
}

keynet::Result<std::vector<Detection>> from_rows(std::span<const float> rows, double threshold,
                                                 std::uint32_t width, std::uint32_t height) {
    if (rows.size() % 6 != 0) {
        return keynet::internal("the model's output is not rows of 6 values: " +
                                std::to_string(rows.size() % 6) + " are left over");
    }
    std::vector<Detection> found;
    for (; !rows.empty(); rows = rows.subspan(6)) {
        float score = rows[4];
        if (!(score > 0 && double(score) >= threshold)) continue;
        if (!(rows[5] >= 0 && rows[5] < LABELS.size())) {
            return keynet::internal("the model has a class " + std::to_string(rows[5]) +
                                    ", but the labels end before it");
        }
        auto number = static_cast<std::uint32_t>(rows[5]);
        keynet_bounds bounds = {scaled(rows[0], width), scaled(rows[1], height),
                                scaled(rows[2], width), scaled(rows[3], height)};
        if (bounds.left < bounds.right && bounds.top < bounds.bottom) {
            found.push_back({LABELS[number], rounded(score, 1000), bounds, number});
        }
    }
    std::ranges::stable_sort(found, std::ranges::greater(), &Detection::score);
    return found;
}

keynet::Json to_json(const Detection &detection) {
    const auto &[left, top, right, bottom] = detection.bounds;
    return keynet::Json::object({{"label", detection.label},
                                 {"score", detection.score},
                                 {"box", keynet::Json::array({left, top, right, bottom})}});
}
