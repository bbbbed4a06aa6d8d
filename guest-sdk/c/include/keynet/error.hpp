/* Errors without exceptions. */
#ifndef KEYNET_ERROR_HPP
#define KEYNET_ERROR_HPP

#include <cstdlib>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../keynet.h"

namespace keynet {

/* Why a call failed; see keynet_error_kind. */
enum class ErrorKind {
    invalid = KEYNET_ERROR_INVALID,
    not_found = KEYNET_ERROR_NOT_FOUND,
    denied = KEYNET_ERROR_DENIED,
    precondition_failed = KEYNET_ERROR_PRECONDITION_FAILED,
    too_large = KEYNET_ERROR_TOO_LARGE,
    timeout = KEYNET_ERROR_TIMEOUT,
    unavailable = KEYNET_ERROR_UNAVAILABLE,
    internal = KEYNET_ERROR_INTERNAL,
};

/* Returns the kind's name, such as "not-found". */
inline std::string_view name_of(ErrorKind kind) {
    return keynet_error_kind_name(static_cast<keynet_error_kind>(kind));
}

/* A failure: a kind for a program, a sentence for a person. */
struct Error {
    ErrorKind kind = ErrorKind::internal;
    std::string message;

    /* Puts a text and ": " before the message. */
    [[nodiscard]] Error context(std::string_view text) && {
        return {kind, std::string(text) + ": " + message};
    }
};

template <class T>
using Result = std::expected<T, Error>;

/* `return keynet::fail(keynet::ErrorKind::denied, "…");` */
inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return std::unexpected(Error{kind, std::move(message)});
}

/* Blames the caller: `return keynet::invalid("the picture is empty");` */
inline std::unexpected<Error> invalid(std::string message) {
    return fail(ErrorKind::invalid, std::move(message));
}

/* Blames the action. */
inline std::unexpected<Error> internal(std::string message) {
    return fail(ErrorKind::internal, std::move(message));
}

namespace detail {

/* The error that a call of C fills, and the text that it owns. */
class CError {
public:
    CError() = default;
    CError(const CError &) = delete;
    CError &operator=(const CError &) = delete;
    ~CError() { keynet_error_clear(&error_); }

    /* Where a call of C puts its error. */
    [[nodiscard]] keynet_error *out() { return &error_; }

    [[nodiscard]] std::unexpected<Error> take() const {
        auto kind = error_.kind == KEYNET_ERROR_NONE ? KEYNET_ERROR_INTERNAL : error_.kind;
        return fail(static_cast<ErrorKind>(kind), error_.message != nullptr ? error_.message : "");
    }

private:
    keynet_error error_{};
};

/* Takes over a text of C. */
inline std::string take(char *text) {
    std::string taken = text != nullptr ? text : "";
    std::free(text);
    return taken;
}

inline std::optional<std::string> take_optional(char *text) {
    if (text == nullptr) return std::nullopt;
    return take(text);
}

/* Returns an error if a text has a zero byte, at which C would end it. */
inline std::optional<Error> check_text(std::string_view what, std::string_view text) {
    if (text.find('\0') == std::string_view::npos) return std::nullopt;
    return Error{ErrorKind::invalid, std::string(what) + " has the character U+0000"};
}

inline const char *or_null(const std::optional<std::string> &text) {
    return text ? text->c_str() : nullptr;
}

} // namespace detail
} // namespace keynet

#define KEYNET_JOIN_(first, second) first##second
#define KEYNET_JOIN(first, second) KEYNET_JOIN_(first, second)
#define KEYNET_TRY_(result, declaration, ...)                                                       \
    auto result = (__VA_ARGS__);                                                                    \
    if (!result) return std::unexpected(std::move(result).error());                                 \
    declaration = *std::move(result)

/* Goes on with the value of a Result, or returns its error: `KEYNET_TRY(auto data, storage.get(at));` */
#define KEYNET_TRY(declaration, ...)                                                                \
    KEYNET_TRY_(KEYNET_JOIN(keynet_result_, __LINE__), declaration, __VA_ARGS__)

/* Goes on if a Result has no error, or returns the error: `KEYNET_CHECK(storage.remove(at));` */
#define KEYNET_CHECK(...)                                                                           \
    do {                                                                                            \
        auto keynet_result = (__VA_ARGS__);                                                         \
        if (!keynet_result) return std::unexpected(std::move(keynet_result).error());               \
    } while (false)

#endif
