// Finds things in a picture and draws a box around each.
#include <algorithm>
#include <cmath>

#include <keynet.hpp>
#include <keynet/imaging.hpp>

#include "detection.hpp"

using keynet::Json;
using keynet::Picture;
using keynet::Result;
using keynet::Storage;
using keynet::Triton;

struct Args {
    std::string image_url;
    double threshold = 0.5;
    std::string model = "detector";
};

template <>
constexpr auto keynet::parameters<Args> = std::tuple{
    keynet::required("image_url", &Args::image_url,
                     "The picture, PNG or JPEG: a URL, `s3://bucket/key`, or a key of the default bucket."),
    keynet::optional("threshold", &Args::threshold, "Detections with a lower score are left out."),
    keynet::optional("model", &Args::model,
                     "The model: `detector`, or one version of it as `detector:3`, `models:/detector/3` or "
                     "`models:/detector@champion`."),
};

// Draws the boxes, the best last, so that it is on top.
static Result<void> draw(Picture &picture, const std::vector<Detection> &found) {
    for (auto each = found.rbegin(); each != found.rend(); ++each) {
        KEYNET_CHECK(picture.draw_box(each->bounds, keynet::class_color(each->number)));
    }
    for (auto each = found.rbegin(); each != found.rend(); ++each) {
        auto percent = std::to_string(std::lround(each->score * 100));
        KEYNET_CHECK(picture.draw_label(std::string(each->label) + " " + percent + "%",
                                        each->bounds.left, each->bounds.top,
                                        keynet::class_color(each->number)));
    }
    return {};
}

static Result<Json> detect(const Args &args) {
    if (!(args.threshold >= 0 && args.threshold <= 1)) {
        return keynet::invalid("`threshold` is " + Json(args.threshold).text().value_or("no number") +
                               ", but it must be from 0 to 1");
    }
    Storage storage;
    KEYNET_TRY(auto file, storage.get(args.image_url));
    KEYNET_TRY(auto picture, Picture::decode(file.span()));
    KEYNET_TRY(auto square, picture.resize(INPUT_SIDE, INPUT_SIDE));
    KEYNET_TRY(auto input, square.to_tensor());

    KEYNET_TRY(auto outputs, Triton(args.model).predict({{"input_0", input}}));
    KEYNET_TRY(auto output, outputs.take("output_0"));
    KEYNET_TRY(auto rows, output.elements<float>());
    KEYNET_TRY(auto found,
               from_rows(rows.span(), args.threshold, picture.width(), picture.height()));

    KEYNET_CHECK(draw(picture, found));
    KEYNET_TRY(auto drawn, picture.encode_png());
    KEYNET_TRY(auto stored, storage.put(drawn.span(), {.content_type = "image/png"}));
    Json detections = Json::array();
    for (const auto &each : found) detections.push_back(to_json(each));
    return Json::object({{"url", stored.url}, {"detections", std::move(detections)}});
}

KEYNET_FUNCTION("image-detection-cpp", "Finds things in a picture and draws a box around each.", detect);
