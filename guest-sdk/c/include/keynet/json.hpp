/* JSON values: those that came, and those that are made. */
#ifndef KEYNET_JSON_HPP
#define KEYNET_JSON_HPP

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <ranges>
#include <type_traits>
#include <variant>
#include <vector>

#include "error.hpp"

namespace keynet {

class JsonView;

namespace detail {

/* How a JSON value becomes a T; and the text of what is expected. */
template <class T>
struct Read;

} // namespace detail

/* A value of a JSON document, which another owns. A parameter's is valid until the function has returned. */
class JsonView {
public:
    JsonView() = default;
    explicit JsonView(yyjson_val *value) : value_(value) {}

    /* Whether there is a value; null is one. */
    explicit operator bool() const { return value_ != nullptr; }
    [[nodiscard]] bool is_null() const { return yyjson_is_null(value_); }
    [[nodiscard]] bool is_bool() const { return yyjson_is_bool(value_); }
    [[nodiscard]] bool is_number() const { return yyjson_is_num(value_); }
    [[nodiscard]] bool is_string() const { return yyjson_is_str(value_); }
    [[nodiscard]] bool is_array() const { return yyjson_is_arr(value_); }
    [[nodiscard]] bool is_object() const { return yyjson_is_obj(value_); }

    /* Returns the value as a T: bool, a number, std::string, std::string_view, std::vector of them,
     * JsonView. None if it is another type, or out of T's range. */
    template <class T>
    [[nodiscard]] std::optional<T> as() const {
        return detail::Read<T>::from(*this);
    }

    /* The number of elements or members; 0 for other values. */
    [[nodiscard]] std::size_t size() const {
        return is_object() ? yyjson_obj_size(value_) : yyjson_arr_size(value_);
    }

    /* A member of an object, an element of an array; no value where there is none. */
    [[nodiscard]] JsonView operator[](std::string_view name) const {
        return JsonView(yyjson_obj_getn(value_, name.data(), name.size()));
    }
    [[nodiscard]] JsonView operator[](std::size_t position) const {
        return JsonView(yyjson_arr_get(value_, position));
    }

    /* The elements of an array; none for other values. */
    [[nodiscard]] std::vector<JsonView> elements() const {
        std::vector<JsonView> all;
        auto each = yyjson_arr_iter_with(value_);
        while (auto *element = yyjson_arr_iter_next(&each)) all.emplace_back(element);
        return all;
    }

    /* The members of an object; none for other values. */
    [[nodiscard]] std::vector<std::pair<std::string_view, JsonView>> members() const {
        std::vector<std::pair<std::string_view, JsonView>> all;
        auto each = yyjson_obj_iter_with(value_);
        while (auto *name = yyjson_obj_iter_next(&each)) {
            all.emplace_back(std::string_view(yyjson_get_str(name), yyjson_get_len(name)),
                             JsonView(yyjson_obj_iter_get_val(name)));
        }
        return all;
    }

    /* The value as JSON text. */
    [[nodiscard]] std::string text() const {
        std::size_t size = 0;
        std::unique_ptr<char, decltype(&std::free)> text(yyjson_val_write(value_, 0, &size),
                                                         &std::free);
        return text ? std::string(text.get(), size) : std::string("null");
    }

    [[nodiscard]] yyjson_val *get() const { return value_; }

private:
    yyjson_val *value_ = nullptr;
};

/* A JSON document that was parsed. Its views are valid as long as it is. */
class JsonDocument {
public:
    [[nodiscard]] static Result<JsonDocument> parse(std::string_view text) {
        yyjson_read_err failed{};
        /* The reader changes nothing without YYJSON_READ_INSITU. */
        auto *document = yyjson_read_opts(const_cast<char *>(text.data()), text.size(), 0, nullptr,
                                          &failed);
        if (document == nullptr) {
            return keynet::invalid("this is not JSON: " + std::string(failed.msg) + " at byte " +
                                   std::to_string(failed.pos));
        }
        return JsonDocument(document);
    }

    [[nodiscard]] JsonView root() const { return JsonView(yyjson_doc_get_root(document_.get())); }

private:
    explicit JsonDocument(yyjson_doc *document) : document_(document, &yyjson_doc_free) {}

    std::unique_ptr<yyjson_doc, decltype(&yyjson_doc_free)> document_;
};

/* A JSON value that is made: `Json::object({{"name", "Ada"}, {"scores", std::vector{0.5, 1.0}}})`. */
class Json {
public:
    struct Member;
    Json() = default;
    Json(std::nullptr_t) {}
    Json(std::same_as<bool> auto value) : value_(value) {}
    template <std::signed_integral T>
    Json(T value) : value_(static_cast<std::int64_t>(value)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool>)
    Json(T value) : value_(static_cast<std::uint64_t>(value)) {}
    Json(std::floating_point auto value) : value_(static_cast<double>(value)) {}
    Json(const char *text) : value_(std::string(text)) {}
    Json(std::string text) : value_(std::move(text)) {}
    Json(std::string_view text) : value_(std::string(text)) {}
    /* A copy of a value that came. */
    Json(JsonView value) : value_(Raw{value.text()}) {}
    template <class T>
    Json(const std::optional<T> &value) {
        if (value) *this = Json(*value);
    }
    /* An array of the elements of a vector or span. */
    template <std::ranges::input_range R>
        requires(!std::convertible_to<R, std::string_view> &&
                 !std::same_as<std::remove_cvref_t<R>, Json>)
    Json(R &&elements) : value_(Array()) {
        for (auto &&element : elements) push_back(Json(element));
    }

    [[nodiscard]] static Json array(std::initializer_list<Json> elements = {});
    [[nodiscard]] static Json object(std::initializer_list<Member> members = {});

    /* Adds an element; anything but an array becomes an empty one first. */
    void push_back(Json element) {
        if (!std::holds_alternative<Array>(value_)) value_ = Array();
        std::get_if<Array>(&value_)->push_back(std::move(element));
    }

    /* Sets a member; anything but an object becomes an empty one first. */
    void set(std::string name, Json value);

    /* Builds the value in a document of C. */
    [[nodiscard]] yyjson_mut_val *build(yyjson_mut_doc *document) const;

    /* The value as JSON text; fails for numbers that JSON does not have, and text that is not UTF-8. */
    [[nodiscard]] Result<std::string> text() const {
        std::unique_ptr<yyjson_mut_doc, decltype(&yyjson_mut_doc_free)> document(
            yyjson_mut_doc_new(nullptr), &yyjson_mut_doc_free);
        yyjson_mut_doc_set_root(document.get(), build(document.get()));
        yyjson_write_err failed{};
        std::size_t size = 0;
        std::unique_ptr<char, decltype(&std::free)> text(
            yyjson_mut_write_opts(document.get(), 0, nullptr, &size, &failed), &std::free);
        if (!text) return keynet::internal(std::string("this cannot be JSON: ") + failed.msg);
        return std::string(text.get(), size);
    }

private:
    using Array = std::vector<Json>;
    /* Members, in their order. */
    struct Object {
        std::vector<std::string> names;
        std::vector<Json> values;
    };
    /* Text that is JSON. */
    struct Raw {
        std::string text;
    };

    std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object,
                 Raw>
        value_ = nullptr;
};

struct Json::Member {
    std::string name;
    Json value;
};

inline Json Json::array(std::initializer_list<Json> elements) {
    Json made;
    made.value_ = Array(elements);
    return made;
}

inline Json Json::object(std::initializer_list<Member> members) {
    Json made;
    made.value_ = Object();
    for (const auto &member : members) made.set(member.name, member.value);
    return made;
}

inline void Json::set(std::string name, Json value) {
    if (!std::holds_alternative<Object>(value_)) value_ = Object();
    auto &object = *std::get_if<Object>(&value_);
    for (std::size_t at = 0; at < object.names.size(); at++) {
        if (object.names[at] == name) {
            object.values[at] = std::move(value);
            return;
        }
    }
    object.names.push_back(std::move(name));
    object.values.push_back(std::move(value));
}

inline yyjson_mut_val *Json::build(yyjson_mut_doc *document) const {
    return std::visit(
        [document](const auto &value) -> yyjson_mut_val * {
            using T = std::remove_cvref_t<decltype(value)>;
            if constexpr (std::same_as<T, std::nullptr_t>) {
                return yyjson_mut_null(document);
            } else if constexpr (std::same_as<T, bool>) {
                return yyjson_mut_bool(document, value);
            } else if constexpr (std::same_as<T, std::int64_t>) {
                return yyjson_mut_sint(document, value);
            } else if constexpr (std::same_as<T, std::uint64_t>) {
                return yyjson_mut_uint(document, value);
            } else if constexpr (std::same_as<T, double>) {
                return yyjson_mut_real(document, value);
            } else if constexpr (std::same_as<T, std::string>) {
                return yyjson_mut_strncpy(document, value.data(), value.size());
            } else if constexpr (std::same_as<T, Raw>) {
                return yyjson_mut_rawncpy(document, value.text.data(), value.text.size());
            } else if constexpr (std::same_as<T, Array>) {
                auto *array = yyjson_mut_arr(document);
                for (const auto &element : value) {
                    yyjson_mut_arr_append(array, element.build(document));
                }
                return array;
            } else {
                auto *object = yyjson_mut_obj(document);
                for (std::size_t at = 0; at < value.names.size(); at++) {
                    const std::string &name = value.names[at];
                    yyjson_mut_obj_add(object,
                                       yyjson_mut_strncpy(document, name.data(), name.size()),
                                       value.values[at].build(document));
                }
                return object;
            }
        },
        value_);
}

namespace detail {

template <>
struct Read<JsonView> {
    static std::string expected() { return "a value"; }
    static Json schema() { return Json::object(); }
    static std::optional<JsonView> from(JsonView value) { return value; }
};

template <>
struct Read<bool> {
    static std::string expected() { return "true or false"; }
    static Json schema() { return Json::object({{"type", "boolean"}}); }
    static std::optional<bool> from(JsonView value) {
        if (!value.is_bool()) return std::nullopt;
        return yyjson_get_bool(value.get());
    }
};

template <std::floating_point T>
struct Read<T> {
    static std::string expected() { return "a number"; }
    static Json schema() { return Json::object({{"type", "number"}}); }
    static std::optional<T> from(JsonView value) {
        if (!value.is_number()) return std::nullopt;
        return static_cast<T>(yyjson_get_num(value.get()));
    }
};

template <std::integral T>
    requires(!std::same_as<T, bool>)
struct Read<T> {
    static std::string expected() {
        return std::string(std::signed_integral<T> ? "a whole number" : "a whole number, 0 or more") +
               " (" + std::to_string(sizeof(T) * 8) + " bits)";
    }
    static Json schema() {
        auto made = Json::object({{"type", "integer"}});
        if constexpr (std::unsigned_integral<T>) made.set("minimum", 0);
        return made;
    }
    static std::optional<T> from(JsonView value) {
        if (yyjson_is_uint(value.get())) return in_range(yyjson_get_uint(value.get()));
        if (yyjson_is_sint(value.get())) return in_range(yyjson_get_sint(value.get()));
        return std::nullopt;
    }
    static std::optional<T> in_range(std::integral auto number) {
        if (!std::in_range<T>(number)) return std::nullopt;
        return static_cast<T>(number);
    }
};

template <>
struct Read<std::string_view> {
    static std::string expected() { return "a string"; }
    static Json schema() { return Json::object({{"type", "string"}}); }
    static std::optional<std::string_view> from(JsonView value) {
        if (!value.is_string()) return std::nullopt;
        return std::string_view(yyjson_get_str(value.get()), yyjson_get_len(value.get()));
    }
};

template <>
struct Read<std::string> : Read<std::string_view> {
    static std::optional<std::string> from(JsonView value) {
        auto text = Read<std::string_view>::from(value);
        if (!text) return std::nullopt;
        return std::string(*text);
    }
};

template <class T>
struct Read<std::vector<T>> {
    static std::string expected() {
        return "an array in which each element is " + Read<T>::expected();
    }
    static Json schema() {
        return Json::object({{"type", "array"}, {"items", Read<T>::schema()}});
    }
    static std::optional<std::vector<T>> from(JsonView value) {
        if (!value.is_array()) return std::nullopt;
        std::vector<T> all;
        all.reserve(value.size());
        for (auto element : value.elements()) {
            auto read = Read<T>::from(element);
            if (!read) return std::nullopt;
            all.push_back(*std::move(read));
        }
        return all;
    }
};

} // namespace detail
} // namespace keynet

#endif
