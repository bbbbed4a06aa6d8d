/* The action's function. */
#ifndef KEYNET_FUNCTION_HPP
#define KEYNET_FUNCTION_HPP

#include <cstring>

#include "input.hpp"

namespace keynet::detail {

/* What a function takes and returns. */
template <class F>
struct Signature;
template <class R>
struct Signature<Result<R> (*)()> {
    static constexpr bool has_args = false;
};
template <class R, class A>
struct Signature<Result<R> (*)(A)> {
    static constexpr bool has_args = true;
    using Args = std::remove_cvref_t<A>;
};

inline char *copy_text(const std::string &text) {
    auto *copy = static_cast<char *>(keynet_allocate(text.size() + 1));
    std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
}

template <auto function>
auto call() {
    using S = Signature<decltype(function)>;
    if constexpr (S::has_args) {
        using Outcome = decltype(function(std::declval<typename S::Args>()));
        auto args = read_parameters<typename S::Args>();
        if (!args) return Outcome(std::unexpected(std::move(args).error()));
        return function(*std::move(args));
    } else {
        return function();
    }
}

template <auto function>
bool run(yyjson_mut_doc *result, keynet_error *error) {
    auto outcome = call<function>();
    if (!outcome) {
        const Error &failure = outcome.error();
        return keynet_fail(error, static_cast<keynet_error_kind>(failure.kind), "%s",
                           failure.message.c_str());
    }
    yyjson_mut_doc_set_root(result, Json(*std::move(outcome)).build(result));
    return true;
}

template <auto function>
char *make_schema() {
    using S = Signature<decltype(function)>;
    if constexpr (S::has_args) {
        if constexpr (std::tuple_size_v<std::remove_cvref_t<decltype(parameters<typename S::Args>)>> > 0) {
            return copy_text(schema<typename S::Args>().text().value_or("{}"));
        }
    }
    return nullptr;
}

template <auto function>
const keynet_function *registered(const char *name, const char *description) {
    static const keynet_function made = {name,    description, nullptr,
                                         nullptr, make_schema<function>, run<function>};
    return &made;
}

} // namespace keynet::detail

/* Makes a function the action's, once, in one file. It takes a struct whose members `keynet::parameters`
 * declares, or nothing, and returns a `Result` of `Json` or of what becomes one. */
#define KEYNET_FUNCTION(name, description, function)                                                \
    extern "C" const keynet_function *keynet_registered_function(void) {                            \
        return ::keynet::detail::registered<&function>(name, description);                          \
    }                                                                                               \
    static_assert(true)

#endif
