// What becomes of the model's rows. Pictures are the work of a library in the component: tests/tests compares
// the whole action with the one in Rust.
#include "../detection.hpp"

#include <cassert>
#include <limits>

#include <keynet_testing.hpp>

static std::string told(std::vector<float> rows, double threshold, std::uint32_t width = 640,
                        std::uint32_t height = 640) {
    auto found = from_rows(rows, threshold, width, height);
    if (!found) return found.error().message;
    keynet::Json all = keynet::Json::array();
    for (const auto &each : *found) all.push_back(to_json(each));
    return all.text().value();
}

static void boxes_are_scaled_sorted_and_kept_inside_the_picture() {
    assert(told({64, 64, 320, 320, 0.6F, 0, -10, 0, 640, 700, 0.91234F, 4, 0, 0, 640, 640, 0.49F, 1,
                 0, 0, 0, 0, 0, 0},
                0.5, 1280, 320) ==
           R"([{"label":"house","score":0.912,"box":[0.0,0.0,1280.0,320.0]},)"
           R"({"label":"apple","score":0.6,"box":[128.0,32.0,640.0,160.0]}])");
}

static void unused_rows_are_no_detections_at_any_threshold() {
    constexpr float none = std::numeric_limits<float>::quiet_NaN();
    assert(told({0, 0, 0, 0, 0, 0, 1, 1, 9, 9, none, 0, 9, 9, 9, 9, 0.9F, 0, 0, 0, none, 9, 0.9F, 0}, 0) ==
           "[]");
}

static void another_models_answer_is_an_error() {
    assert(told(std::vector<float>(7), 0.5).contains("1 are left over"));
    assert(told({0, 0, 9, 9, 0.9F, 80}, 0.5).contains("class 80"));
    assert(told({0, 0, 9, 9, 0.9F, -1}, 0.5).contains("class -1"));
}

static void a_threshold_out_of_range_is_the_callers_mistake() {
    keynet::testing::Environment environment(
        keynet::Json::object({{"image_url", "cups.png"}, {"threshold", 1.5}}));
    auto result = environment.call();
    assert(!result && result.error().kind == keynet::ErrorKind::invalid);
    assert(result.error().message == "`threshold` is 1.5, but it must be from 0 to 1");
}

int main() {
    boxes_are_scaled_sorted_and_kept_inside_the_picture();
    unused_rows_are_no_detections_at_any_threshold();
    another_models_answer_is_an_error();
    a_threshold_out_of_range_is_the_callers_mistake();
}
