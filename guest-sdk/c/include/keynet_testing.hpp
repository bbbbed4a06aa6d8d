/* Tests of an action in C++ on the machine that builds it; see keynet_testing.h.
 *
 *     keynet::testing::Environment environment(keynet::Json::object({{"image", "cat.raw"}}));
 *     environment.object("cat.raw", bytes).model("detector", [](auto &inputs, auto &answer) -> … { … });
 *     assert(environment.call() == R"({"found":[]})");
 */
#ifndef KEYNET_TESTING_HPP
#define KEYNET_TESTING_HPP

#include <deque>
#include <functional>

#include "keynet.hpp"
#include "keynet_testing.h"

namespace keynet::testing {

/* The answers of a model under way. */
class Answers {
public:
    explicit Answers(keynet_testing_answers *answers) : answers_(answers) {}

    /* Adds an output to the answer. */
    void output(const std::string &name, Tensor tensor) {
        keynet_testing_output(answers_, name.c_str(), std::move(tensor).release());
    }

    /* Begins another answer of a stream. */
    void next_answer() { keynet_testing_next_answer(answers_); }

    /* Makes a stream end without an answer. */
    void no_answer() { keynet_testing_no_answer(answers_); }

private:
    keynet_testing_answers *answers_;
};

/* The tensors that a model was sent, by name. */
class Inputs {
public:
    explicit Inputs(const keynet_outputs *inputs) : inputs_(inputs) {}

    /* Copies the elements of an input. */
    template <Element T>
    [[nodiscard]] Result<std::vector<T>> get(const std::string &name) const {
        detail::CError error;
        keynet_tensor tensor{};
        keynet_bytes data{};
        auto type = static_cast<keynet_data_type>(detail::data_type_of<T>);
        if (!keynet_outputs_get(inputs_, name.c_str(), &tensor, error.out()) ||
            !keynet_tensor_data(tensor, type, &data, error.out())) {
            return error.take();
        }
        return Elements<T>(Bytes(data)).to_vector();
    }

private:
    const keynet_outputs *inputs_;
};

/* A model of a test. */
using Model = std::function<Result<void>(const Inputs &, Answers &)>;

/* What an action meets in a test. There is one at a time. */
class Environment {
public:
    explicit Environment(const Json &parameters = Json::object()) {
        keynet_testing_reset();
        keynet_testing_parameters(parameters.text().value_or("{}").c_str());
    }
    Environment(const Environment &) = delete;
    Environment &operator=(const Environment &) = delete;
    ~Environment() { keynet_testing_reset(); }

    /* Adds an object. */
    Environment &object(const std::string &location, std::span<const std::uint8_t> data) {
        keynet_testing_object(location.c_str(), data.data(), data.size(), nullptr);
        return *this;
    }
    Environment &object(const std::string &location, std::string_view text) {
        keynet_testing_object(location.c_str(), text.data(), text.size(), nullptr);
        return *this;
    }

    /* Adds a model. The first is the one asked where no name is given. */
    Environment &model(const std::string &name, Model model) {
        models_.push_back(std::move(model));
        keynet_testing_add_model(name.c_str(), &answer, &models_.back());
        return *this;
    }

    /* Runs the action's function as the runtime does, and returns the JSON text of its result. */
    [[nodiscard]] Result<std::string> call() {
        detail::CError error;
        char *result = nullptr;
        if (!keynet_testing_call(&result, error.out())) return error.take();
        return detail::take(result);
    }

    /* Returns the object at a location, none where there is none. */
    [[nodiscard]] std::optional<std::string> stored(const std::string &location) const {
        const auto *found = keynet_testing_find(location.c_str());
        if (found == nullptr) return std::nullopt;
        return std::string(static_cast<const char *>(found->data), found->size);
    }

private:
    static bool answer(const keynet_outputs *inputs, keynet_testing_answers *answers, void *model,
                       keynet_error *error) {
        Answers answer(answers);
        auto outcome = (*static_cast<Model *>(model))(Inputs(inputs), answer);
        if (outcome) return true;
        return keynet_fail(error, static_cast<keynet_error_kind>(outcome.error().kind), "%s",
                           outcome.error().message.c_str());
    }

    /* Their addresses are handed out. */
    std::deque<Model> models_;
};

} // namespace keynet::testing

#endif
