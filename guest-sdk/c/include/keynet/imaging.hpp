/* Pictures: from a file to a model's input, and from detections to a file; see keynet_imaging.h. */
#ifndef KEYNET_IMAGING_HPP
#define KEYNET_IMAGING_HPP

#include "../keynet_imaging.h"
#include "tensor.hpp"

namespace keynet {

using Color = keynet_color;
using Bounds = keynet_bounds;

enum class Filter {
    nearest = KEYNET_FILTER_NEAREST,
    area = KEYNET_FILTER_AREA,
    bilinear = KEYNET_FILTER_BILINEAR,
    bicubic = KEYNET_FILTER_BICUBIC,
    lanczos = KEYNET_FILTER_LANCZOS,
};
enum class Layout { chw = KEYNET_LAYOUT_CHW, hwc = KEYNET_LAYOUT_HWC };
enum class Channels {
    rgb = KEYNET_CHANNELS_RGB,
    bgr = KEYNET_CHANNELS_BGR,
    gray = KEYNET_CHANNELS_GRAY,
};
using Normalization = keynet_normalization;

struct LetterBoxed;

/* A picture in the library's memory, which is given back where its owner ends. */
class Picture {
public:
    explicit Picture(keynet_picture picture) : picture_(picture) {}
    Picture(Picture &&other) noexcept : picture_(std::exchange(other.picture_, {})) {}
    Picture &operator=(Picture &&other) noexcept {
        std::swap(picture_, other.picture_);
        return *this;
    }
    ~Picture() { keynet_picture_drop(&picture_); }

    /* Reads a PNG or JPEG file, turned upright. */
    [[nodiscard]] static Result<Picture> decode(std::span<const std::uint8_t> file) {
        detail::CError error;
        keynet_picture made{};
        if (!keynet_picture_decode(file.data(), file.size(), &made, error.out())) return error.take();
        return Picture(made);
    }

    /* A picture of 3 bytes for each pixel, row by row. */
    [[nodiscard]] static Result<Picture> from_rgb(std::uint32_t width, std::uint32_t height,
                                                  std::span<const std::uint8_t> rgb) {
        detail::CError error;
        keynet_picture made{};
        if (!keynet_picture_from_rgb(width, height, rgb.data(), rgb.size(), &made, error.out())) {
            return error.take();
        }
        return Picture(made);
    }

    [[nodiscard]] std::uint32_t width() const { return keynet_picture_width(picture_); }
    [[nodiscard]] std::uint32_t height() const { return keynet_picture_height(picture_); }

    [[nodiscard]] Result<Picture> crop(std::uint32_t left, std::uint32_t top, std::uint32_t width,
                                       std::uint32_t height) const {
        detail::CError error;
        keynet_picture made{};
        if (!keynet_picture_crop(picture_, left, top, width, height, &made, error.out())) {
            return error.take();
        }
        return Picture(made);
    }

    [[nodiscard]] Result<Picture> resize(std::uint32_t width, std::uint32_t height,
                                         Filter filter = Filter::bilinear) const {
        detail::CError error;
        keynet_picture made{};
        if (!keynet_picture_resize(picture_, width, height, static_cast<keynet_filter>(filter), &made,
                                   error.out())) {
            return error.take();
        }
        return Picture(made);
    }

    /* Fits the picture into another size, with a border. */
    [[nodiscard]] Result<LetterBoxed> letter_box(std::uint32_t width, std::uint32_t height,
                                                 Filter filter = Filter::bilinear,
                                                 Color border = {114, 114, 114}) const;

    /* A tensor of the picture: UINT8, FP16 or FP32, with a first dimension of 1 for models that take
     * batches. */
    [[nodiscard]] Result<Tensor> to_tensor(
        DataType type = DataType::fp32, Layout layout = Layout::chw, Channels channels = Channels::rgb,
        const Normalization &normalization = KEYNET_NORMALIZATION_UNIT) const {
        detail::CError error;
        keynet_bytes data{};
        if (!keynet_picture_data(picture_, static_cast<keynet_data_type>(type),
                                 static_cast<keynet_layout>(layout),
                                 static_cast<keynet_channels>(channels), &normalization, &data,
                                 error.out())) {
            return error.take();
        }
        Bytes owned(data);
        std::int64_t depth = channels == Channels::gray ? 1 : 3;
        Shape shape = layout == Layout::chw ? Shape{1, depth, height(), width()}
                                            : Shape{1, height(), width(), depth};
        return Tensor::create(type, shape, owned.data(), owned.size());
    }

    /* Draws an outline; a width of 0 grows with the picture. */
    [[nodiscard]] Result<void> draw_box(const Bounds &bounds, Color color,
                                        std::uint32_t line_width = 0) {
        detail::CError error;
        if (!keynet_picture_draw_box(picture_, bounds, color, line_width, error.out())) return error.take();
        return {};
    }

    /* Writes the label of the box whose corner is at `left`, `top`; a size of 0 grows with the picture. */
    [[nodiscard]] Result<void> draw_label(const std::string &text, double left, double top, Color color,
                                          double size = 0) {
        detail::CError error;
        if (!keynet_picture_draw_label(picture_, text.c_str(), left, top, color, size, error.out())) {
            return error.take();
        }
        return {};
    }

    [[nodiscard]] Result<void> draw_text(const std::string &text, double left, double top, Color color,
                                         double size = 0) {
        detail::CError error;
        if (!keynet_picture_draw_text(picture_, text.c_str(), left, top, color, size, error.out())) {
            return error.take();
        }
        return {};
    }

    /* Takes the letters of further text from a TrueType or OpenType font. */
    [[nodiscard]] Result<void> set_font(std::span<const std::uint8_t> file) {
        detail::CError error;
        if (!keynet_picture_set_font(picture_, file.data(), file.size(), error.out())) return error.take();
        return {};
    }

    [[nodiscard]] Result<Bytes> encode_png() const {
        detail::CError error;
        keynet_bytes file{};
        if (!keynet_picture_encode_png(picture_, &file, error.out())) return error.take();
        return Bytes(file);
    }

    /* Quality from 1 to 100. */
    [[nodiscard]] Result<Bytes> encode_jpeg(std::uint8_t quality = 85) const {
        detail::CError error;
        keynet_bytes file{};
        if (!keynet_picture_encode_jpeg(picture_, quality, &file, error.out())) return error.take();
        return Bytes(file);
    }

private:
    keynet_picture picture_{};
};

/* A picture fitted into another size, and the way back: (x, y) in it is
 * ((x - left) / scale, (y - top) / scale) in the original. */
struct LetterBoxed {
    Picture picture;
    double scale;
    std::uint32_t left;
    std::uint32_t top;
};

inline Result<LetterBoxed> Picture::letter_box(std::uint32_t width, std::uint32_t height, Filter filter,
                                               Color border) const {
    detail::CError error;
    keynet_letter_boxed made{};
    if (!keynet_picture_letter_box(picture_, width, height, static_cast<keynet_filter>(filter), border,
                                   &made, error.out())) {
        return error.take();
    }
    return LetterBoxed{Picture(made.picture), made.scale, made.left, made.top};
}

/* One of ten colors apart from each other, for the class of a detector. */
inline Color class_color(std::uint32_t number) {
    return keynet_class_color(number);
}

} // namespace keynet

#endif
