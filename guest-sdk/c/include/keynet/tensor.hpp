/* Tensors. */
#ifndef KEYNET_TENSOR_HPP
#define KEYNET_TENSOR_HPP

#include <cstddef>
#include <cstring>
#include <span>

#include "json.hpp"

namespace keynet {

/* Bytes that a call returned. */
class Bytes {
public:
    Bytes() = default;
    explicit Bytes(keynet_bytes bytes) : bytes_(bytes) {}
    Bytes(Bytes &&other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Bytes &operator=(Bytes &&other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Bytes() { keynet_bytes_free(&bytes_); }

    [[nodiscard]] const std::uint8_t *data() const { return bytes_.data; }
    [[nodiscard]] std::size_t size() const { return bytes_.size; }
    [[nodiscard]] bool empty() const { return bytes_.size == 0; }
    [[nodiscard]] const std::uint8_t *begin() const { return bytes_.data; }
    [[nodiscard]] const std::uint8_t *end() const { return bytes_.data + bytes_.size; }
    [[nodiscard]] std::span<const std::uint8_t> span() const { return {bytes_.data, bytes_.size}; }
    [[nodiscard]] std::string_view text() const {
        return {reinterpret_cast<const char *>(bytes_.data), bytes_.size};
    }

private:
    keynet_bytes bytes_{};
};

/* The type of an element; see keynet_data_type. */
enum class DataType {
    boolean = KEYNET_BOOL,
    uint8 = KEYNET_UINT8,
    uint16 = KEYNET_UINT16,
    uint32 = KEYNET_UINT32,
    uint64 = KEYNET_UINT64,
    int8 = KEYNET_INT8,
    int16 = KEYNET_INT16,
    int32 = KEYNET_INT32,
    int64 = KEYNET_INT64,
    fp16 = KEYNET_FP16,
    bf16 = KEYNET_BF16,
    fp32 = KEYNET_FP32,
    fp64 = KEYNET_FP64,
    bytes = KEYNET_BYTES,
};

/* Returns Triton's name, such as "FP32". */
inline std::string_view name_of(DataType type) {
    return keynet_data_type_name(static_cast<keynet_data_type>(type));
}

/* An FP16 number: from and to double, rounded to the nearest. */
struct Fp16 {
    std::uint16_t bits = 0;

    Fp16() = default;
    explicit Fp16(double value) : bits(keynet_fp16_from(value)) {}
    explicit operator double() const { return keynet_fp16_to(bits); }
};

/* A BF16 number. */
struct Bf16 {
    std::uint16_t bits = 0;

    Bf16() = default;
    explicit Bf16(double value) : bits(keynet_bf16_from(value)) {}
    explicit operator double() const { return keynet_bf16_to(bits); }
};

namespace detail {

/* The element type that a type of C++ stands for. */
template <class T>
inline constexpr bool is_element = false;
template <class T>
inline constexpr DataType data_type_of = DataType::bytes;

#define KEYNET_ELEMENT(type, data_type)                                                             \
    template <>                                                                                     \
    inline constexpr bool is_element<type> = true;                                                  \
    template <>                                                                                     \
    inline constexpr DataType data_type_of<type> = DataType::data_type;

KEYNET_ELEMENT(bool, boolean)
KEYNET_ELEMENT(std::uint8_t, uint8)
KEYNET_ELEMENT(std::uint16_t, uint16)
KEYNET_ELEMENT(std::uint32_t, uint32)
KEYNET_ELEMENT(std::uint64_t, uint64)
KEYNET_ELEMENT(std::int8_t, int8)
KEYNET_ELEMENT(std::int16_t, int16)
KEYNET_ELEMENT(std::int32_t, int32)
KEYNET_ELEMENT(std::int64_t, int64)
KEYNET_ELEMENT(Fp16, fp16)
KEYNET_ELEMENT(Bf16, bf16)
KEYNET_ELEMENT(float, fp32)
KEYNET_ELEMENT(double, fp64)
#undef KEYNET_ELEMENT

} // namespace detail

/* A type of C++ that a tensor's elements are read as and made of. BYTES are texts. */
template <class T>
concept Element = detail::is_element<std::remove_const_t<T>>;

/* Dimensions, outermost first; empty for a scalar. */
using Shape = std::vector<std::int64_t>;

/* The elements of a tensor, copied out of the host. */
template <Element T>
class Elements {
public:
    explicit Elements(Bytes bytes) : bytes_(std::move(bytes)) {}

    /* The host's memory of a list is aligned as malloc aligns it. */
    [[nodiscard]] std::span<const T> span() const {
        return {reinterpret_cast<const T *>(bytes_.data()), bytes_.size() / sizeof(T)};
    }
    [[nodiscard]] std::size_t size() const { return span().size(); }
    [[nodiscard]] auto begin() const { return span().begin(); }
    [[nodiscard]] auto end() const { return span().end(); }
    [[nodiscard]] const T &operator[](std::size_t position) const { return span()[position]; }
    [[nodiscard]] std::vector<T> to_vector() const { return std::vector<T>(begin(), end()); }

private:
    Bytes bytes_;
};

/* An immutable array in the host's memory, which is given back where its owner ends. */
class Tensor {
public:
    /* Takes over a tensor of C. */
    explicit Tensor(keynet_tensor tensor) : tensor_(tensor) {}
    Tensor(Tensor &&other) noexcept : tensor_(std::exchange(other.tensor_, {})) {}
    Tensor &operator=(Tensor &&other) noexcept {
        std::swap(tensor_, other.tensor_);
        return *this;
    }
    ~Tensor() { keynet_tensor_drop(&tensor_); }

    /* Copies elements that lie one after the other. Fails with ErrorKind::invalid if they do not fill the
     * shape exactly. */
    template <std::ranges::contiguous_range R>
        requires Element<std::ranges::range_value_t<R>>
    [[nodiscard]] static Result<Tensor> from(const Shape &shape, const R &elements) {
        using T = std::ranges::range_value_t<R>;
        return create(detail::data_type_of<T>, shape, std::ranges::data(elements),
                      std::ranges::size(elements) * sizeof(T));
    }
    template <Element T>
    [[nodiscard]] static Result<Tensor> from(const Shape &shape, std::initializer_list<T> elements) {
        return from(shape, std::span<const T>(elements.begin(), elements.size()));
    }

    /* A std::vector<bool> has no elements that lie one after the other. */
    [[nodiscard]] static Result<Tensor> from(const Shape &shape, const std::vector<bool> &elements) {
        std::vector<std::uint8_t> bytes(elements.begin(), elements.end());
        return create(DataType::boolean, shape, bytes.data(), bytes.size());
    }

    /* Copies bytes that are elements of a type. */
    [[nodiscard]] static Result<Tensor> create(DataType type, const Shape &shape, const void *data,
                                               std::size_t size) {
        detail::CError error;
        keynet_tensor made{};
        if (!keynet_tensor_create(static_cast<keynet_data_type>(type), shape.data(), shape.size(),
                                  data, size, &made, error.out())) {
            return error.take();
        }
        return Tensor(made);
    }

    /* Makes a tensor of BYTES, an element for each text. */
    template <std::ranges::input_range R>
        requires std::convertible_to<std::ranges::range_reference_t<R>, std::string_view>
    [[nodiscard]] static Result<Tensor> from_texts(const Shape &shape, const R &texts) {
        std::vector<keynet_slice> slices;
        for (std::string_view text : texts) slices.push_back({text.data(), text.size()});
        detail::CError error;
        keynet_tensor made{};
        if (!keynet_tensor_from_slices(shape.data(), shape.size(), slices.data(), slices.size(), &made,
                                       error.out())) {
            return error.take();
        }
        return Tensor(made);
    }

    [[nodiscard]] DataType data_type() const {
        return static_cast<DataType>(keynet_tensor_data_type(tensor_));
    }

    /* The size of the data in bytes. */
    [[nodiscard]] std::uint64_t size() const { return keynet_tensor_size(tensor_); }

    [[nodiscard]] Shape shape() const {
        keynet_shape found{};
        keynet_tensor_shape(tensor_, &found);
        Shape shape(found.sizes, found.sizes + found.rank);
        keynet_shape_free(&found);
        return shape;
    }

    /* Copies the elements. Fails with ErrorKind::invalid if they are of another type. */
    template <Element T>
    [[nodiscard]] Result<Elements<T>> elements() const {
        detail::CError error;
        keynet_bytes data{};
        auto type = static_cast<keynet_data_type>(detail::data_type_of<T>);
        if (!keynet_tensor_data(tensor_, type, &data, error.out())) return error.take();
        return Elements<T>(Bytes(data));
    }

    /* Copies `count` elements from element `first` on; fewer, or none, where the data ends. */
    template <Element T>
    [[nodiscard]] Result<Elements<T>> elements(std::uint64_t first, std::uint64_t count) const {
        if (data_type() != detail::data_type_of<T>) {
            return keynet::invalid("the tensor's elements are " + std::string(name_of(data_type())) +
                                   " and cannot be read as " +
                                   std::string(name_of(detail::data_type_of<T>)));
        }
        keynet_bytes data{};
        keynet_tensor_read(tensor_, first * sizeof(T), count * sizeof(T), &data);
        return Elements<T>(Bytes(data));
    }

    /* Copies the elements of BYTES. */
    [[nodiscard]] Result<std::vector<std::string>> texts() const {
        detail::CError error;
        keynet_elements found{};
        if (!keynet_tensor_elements(tensor_, &found, error.out())) return error.take();
        std::vector<std::string> all;
        all.reserve(found.count);
        for (const auto &each : std::span(found.elements, found.count)) {
            all.emplace_back(each.data, each.size);
        }
        keynet_elements_free(&found);
        return all;
    }

    /* The tensor of C, which stays this one's. */
    [[nodiscard]] keynet_tensor get() const { return tensor_; }

    /* Gives the tensor up: the caller drops it. */
    [[nodiscard]] keynet_tensor release() && { return std::exchange(tensor_, {}); }

private:
    keynet_tensor tensor_{};
};

} // namespace keynet

#endif
