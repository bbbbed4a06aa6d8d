/* The caller's parameters. */
#ifndef KEYNET_INPUT_HPP
#define KEYNET_INPUT_HPP

#include <tuple>

#include "json.hpp"

namespace keynet {

/* The parameters of this activation as its caller sent them: never configuration or credentials.
 *
 * Where the caller is a web action, texts such as "0.5", "12" or "true" are read as the numbers and booleans
 * that are asked for: OpenWhisk sends the parameters of a query as text. */
class UserInput {
public:
    /* Returns a parameter; fails with ErrorKind::invalid where it is missing, null or another type. */
    template <class T>
    [[nodiscard]] static Result<T> get(const std::string &name) {
        KEYNET_TRY(auto found, find<T>(name));
        if (!found) return keynet::invalid("the parameter `" + name + "` is missing");
        return *std::move(found);
    }

    /* Returns a parameter, or the fallback where it is missing or null. */
    template <class T>
    [[nodiscard]] static Result<T> get_or(const std::string &name, T fallback) {
        KEYNET_TRY(auto found, find<T>(name));
        return found ? *std::move(found) : std::move(fallback);
    }

    /* Returns a parameter; none where it is missing or null. */
    template <class T>
    [[nodiscard]] static Result<std::optional<T>> find(const std::string &name) {
        if (all().is_array()) {
            return keynet::invalid("the parameters: expected an object, came an array");
        }
        JsonView value(keynet_input_value(name.c_str()));
        if (!value || value.is_null()) return std::nullopt;
        std::optional<T> read = value.as<T>();
        if constexpr (std::is_arithmetic_v<T>) {
            if (!read && value.is_string() && keynet_input_is_web()) read = of_text<T>(name.c_str());
        }
        if (read) return read;
        detail::CError error;
        keynet_input_fail(name.c_str(), detail::Read<T>::expected().c_str(), error.out());
        return error.take();
    }

    /* Returns all parameters: an object; an array in a sequence whose action before returned one. */
    [[nodiscard]] static JsonView all() { return JsonView(keynet_input()); }

private:
    template <class T>
    static std::optional<T> of_text(const char *name) {
        if constexpr (std::same_as<T, bool>) {
            bool value = false;
            if (keynet_input_bool(name, &value, nullptr)) return value;
        } else if constexpr (std::floating_point<T>) {
            double value = 0;
            if (keynet_input_double(name, &value, nullptr)) return static_cast<T>(value);
        } else if constexpr (std::signed_integral<T>) {
            std::int64_t value = 0;
            if (keynet_input_int64(name, &value, nullptr)) return detail::Read<T>::in_range(value);
        } else {
            std::uint64_t value = 0;
            if (keynet_input_uint64(name, &value, nullptr)) return detail::Read<T>::in_range(value);
        }
        return std::nullopt;
    }
};

/* A declared parameter: the member of a struct that it fills. */
template <class Args, class T>
struct Parameter {
    const char *name;
    T Args::*member;
    const char *description;
    bool is_required;
};

/* A parameter that has to be there. */
template <class Args, class T>
constexpr Parameter<Args, T> required(const char *name, T Args::*member,
                                      const char *description = nullptr) {
    return {name, member, description, true};
}

/* A parameter that may be missing, or null: the member stays as the struct's default has it. */
template <class Args, class T>
constexpr Parameter<Args, T> optional(const char *name, T Args::*member,
                                      const char *description = nullptr) {
    return {name, member, description, false};
}

/* The parameters of a struct, a std::tuple of `required` and `optional`: to be specialised. */
template <class Args>
inline constexpr auto parameters = std::tuple{};

namespace detail {

template <class T>
struct Optional : std::false_type {
    using Value = T;
};
template <class T>
struct Optional<std::optional<T>> : std::true_type {
    using Value = T;
};

template <class Args, class T>
Result<void> read_parameter(const Parameter<Args, T> &parameter, Args &args) {
    using Value = typename Optional<T>::Value;
    KEYNET_TRY(auto found, UserInput::find<Value>(parameter.name));
    if (found) {
        args.*parameter.member = *std::move(found);
    } else if (parameter.is_required) {
        std::string message = "the parameter `" + std::string(parameter.name) + "` is missing: expected " +
                              Read<Value>::expected();
        if (parameter.description != nullptr) {
            message += ", \"" + std::string(parameter.description) + "\"";
        }
        return keynet::invalid(std::move(message));
    }
    return {};
}

/* Reads the parameters into a struct. */
template <class Args>
Result<Args> read_parameters() {
    if (!UserInput::all().is_object()) {
        return keynet::invalid("the parameters: expected an object, came an array");
    }
    Args args{};
    Result<void> outcome;
    std::apply(
        [&](const auto &...each) {
            ((outcome = outcome ? read_parameter(each, args) : std::move(outcome)), ...);
        },
        parameters<Args>);
    if (!outcome) return std::unexpected(std::move(outcome).error());
    return args;
}

template <class Args, class T>
Json schema_of(const Parameter<Args, T> &parameter) {
    using Value = typename Optional<T>::Value;
    Json schema = Read<Value>::schema();
    if (parameter.description != nullptr) schema.set("description", parameter.description);
    if constexpr (!std::same_as<Value, JsonView> && !Optional<T>::value) {
        if (!parameter.is_required) schema.set("default", Json(Args{}.*parameter.member));
    }
    return schema;
}

/* The JSON Schema of a struct's parameters. */
template <class Args>
Json schema() {
    Json properties = Json::object();
    Json required = Json::array();
    std::apply(
        [&](const auto &...each) {
            (properties.set(each.name, schema_of(each)), ...);
            ((each.is_required ? required.push_back(each.name) : void()), ...);
        },
        parameters<Args>);
    return Json::object({{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                         {"type", "object"},
                         {"properties", std::move(properties)},
                         {"required", std::move(required)}});
}

} // namespace detail
} // namespace keynet

#endif
