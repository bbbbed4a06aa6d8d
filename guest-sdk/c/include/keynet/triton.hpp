/* Models. */
#ifndef KEYNET_TRITON_HPP
#define KEYNET_TRITON_HPP

#include <algorithm>
#include <chrono>

#include "tensor.hpp"

namespace keynet {

/* A tensor of a request; it is lent. */
struct Input {
    std::string name;
    const Tensor &tensor;
};

/* A model's answer: tensors by name. */
class Outputs {
public:
    using Named = std::pair<std::string, Tensor>;

    explicit Outputs(keynet_outputs outputs) {
        for (auto &each : std::span(outputs.outputs, outputs.count)) {
            all_.emplace_back(each.name, Tensor(std::exchange(each.tensor, {})));
        }
        keynet_outputs_free(&outputs);
    }

    /* Moves an output out. */
    [[nodiscard]] Result<Tensor> take(std::string_view name) {
        auto found = std::ranges::find(all_, name, &Named::first);
        if (found == all_.end()) return absent(name);
        Tensor taken = std::move(found->second);
        all_.erase(found);
        return taken;
    }

    /* Finds an output; nullptr where there is none of this name. */
    [[nodiscard]] const Tensor *find(std::string_view name) const {
        auto found = std::ranges::find(all_, name, &Named::first);
        return found == all_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] auto begin() const { return all_.begin(); }
    [[nodiscard]] auto end() const { return all_.end(); }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

private:
    [[nodiscard]] std::unexpected<Error> absent(std::string_view name) const {
        std::string there;
        for (const auto &[each, _] : all_) there += (there.empty() ? "`" : ", `") + each + "`";
        return keynet::invalid("there is no output `" + std::string(name) + "`: there is " +
                               (there.empty() ? "none" : there));
    }

    std::vector<Named> all_;
};

/* A question to a model; see keynet_request. */
struct Request {
    std::string model = {};
    std::vector<Input> inputs = {};
    std::vector<std::string> outputs = {};
    std::optional<std::chrono::milliseconds> timeout = {};
    /* For Triton: a JSON object. */
    std::optional<Json> parameters = {};
};

namespace detail {

/* A request as C has it, and the memory that it points to. */
class LentRequest {
public:
    [[nodiscard]] static Result<LentRequest> of(const Request &request) {
        if (auto bad = check_text("the model's name", request.model)) return std::unexpected(*bad);
        LentRequest lent;
        for (const auto &input : request.inputs) {
            if (auto bad = check_text("an input's name", input.name)) return std::unexpected(*bad);
            lent.inputs_.push_back({input.name.c_str(), input.tensor.get()});
        }
        for (const auto &output : request.outputs) {
            if (auto bad = check_text("an output's name", output)) return std::unexpected(*bad);
            lent.outputs_.push_back(output.c_str());
        }
        if (request.parameters) {
            KEYNET_TRY(lent.parameters_, request.parameters->text());
        }
        lent.model_ = request.model.c_str();
        lent.timeout_ = request.timeout;
        return lent;
    }

    /* Valid as long as this and the request. */
    [[nodiscard]] keynet_request get() const {
        keynet_request request{};
        request.model = model_;
        request.inputs = inputs_.data();
        request.input_count = inputs_.size();
        request.outputs = outputs_.data();
        request.output_count = outputs_.size();
        request.parameters = parameters_.empty() ? nullptr : parameters_.c_str();
        if (timeout_) {
            auto most = std::int64_t{std::numeric_limits<std::uint32_t>::max()};
            auto count = std::clamp<std::int64_t>(timeout_->count(), 0, most);
            request.timeout_ms = {true, static_cast<std::uint32_t>(count)};
        }
        return request;
    }

private:
    const char *model_ = nullptr;
    std::vector<keynet_named_tensor> inputs_;
    std::vector<const char *> outputs_;
    std::string parameters_;
    std::optional<std::chrono::milliseconds> timeout_;
};

} // namespace detail

/* The answers of a model that may answer many times; those that are left are cancelled where it ends. */
class Stream {
public:
    explicit Stream(keynet_stream stream) : stream_(stream) {}
    Stream(Stream &&other) noexcept : stream_(std::exchange(other.stream_, {})) {}
    Stream &operator=(Stream &&other) noexcept {
        std::swap(stream_, other.stream_);
        return *this;
    }
    ~Stream() { keynet_stream_drop(&stream_); }

    /* Waits for the next answer; none when the model has sent its last. */
    [[nodiscard]] Result<std::optional<Outputs>> next() {
        detail::CError error;
        keynet_outputs outputs{};
        bool ended = false;
        if (!keynet_stream_next(&stream_, &outputs, &ended, error.out())) return error.take();
        if (ended) return std::nullopt;
        return Outputs(outputs);
    }

private:
    keynet_stream stream_{};
};

/* An input or output as a model declares it; -1 stands for any size. */
struct TensorInfo {
    std::string name;
    DataType data_type;
    Shape shape;
};

/* What the server says about a model. */
struct Model {
    std::string name;
    std::string platform;
    std::vector<std::string> versions;
    std::vector<TensorInfo> inputs;
    std::vector<TensorInfo> outputs;
};

/* Asks models: `Triton("detector").predict({{"input_0", picture}})`. */
class Triton {
public:
    /* Without a name, the deployment's MODEL_NAME. */
    explicit Triton(std::string model = {}) : model_(std::move(model)) {}

    /* Asks the model and waits for its answer. */
    [[nodiscard]] Result<Outputs> predict(std::initializer_list<Input> inputs) const {
        return predict(Request{.model = model_, .inputs = inputs});
    }

    /* Asks the model that the request names; this one where it names none. */
    [[nodiscard]] Result<Outputs> predict(const Request &request) const {
        KEYNET_TRY(auto lent, detail::LentRequest::of(request));
        auto asked = named(lent);
        detail::CError error;
        keynet_outputs outputs{};
        if (!keynet_predict(&asked, &outputs, error.out())) return error.take();
        return Outputs(outputs);
    }

    /* Asks all at once, so that the server can batch them, at most 256; the outcomes are in their order. */
    [[nodiscard]] std::vector<Result<Outputs>> predict_many(std::span<const Request> requests) const {
        std::vector<detail::LentRequest> lent;
        std::vector<keynet_request> asked;
        std::vector<std::optional<Error>> mistakes;
        lent.reserve(requests.size());
        for (const auto &request : requests) {
            auto one = detail::LentRequest::of(request);
            mistakes.push_back(one ? std::optional<Error>() : std::move(one).error());
            if (one) asked.push_back(named(lent.emplace_back(*std::move(one))));
        }
        std::vector<keynet_prediction> predictions(asked.size());
        keynet_predict_many(asked.data(), asked.size(), predictions.data());
        std::vector<Result<Outputs>> outcomes;
        auto next = predictions.begin();
        for (auto &mistake : mistakes) {
            if (mistake) {
                outcomes.emplace_back(std::unexpected(*std::move(mistake)));
            } else if (next->error.kind != KEYNET_ERROR_NONE) {
                outcomes.emplace_back(
                    fail(static_cast<ErrorKind>(next->error.kind), next->error.message));
                keynet_prediction_free(&*next++);
            } else {
                outcomes.emplace_back(Outputs((next++)->outputs));
            }
        }
        return outcomes;
    }

    /* Asks a model that answers many times. */
    [[nodiscard]] Result<Stream> predict_stream(const Request &request) const {
        KEYNET_TRY(auto lent, detail::LentRequest::of(request));
        auto asked = named(lent);
        detail::CError error;
        keynet_stream stream{};
        if (!keynet_predict_stream(&asked, &stream, error.out())) return error.take();
        return Stream(stream);
    }

    /* Describes the model. */
    [[nodiscard]] Result<Model> metadata() const {
        if (auto bad = detail::check_text("the model's name", model_)) return std::unexpected(*bad);
        detail::CError error;
        keynet_model found{};
        if (!keynet_model_metadata(model_.c_str(), &found, error.out())) return error.take();
        Model model{found.name, found.platform, {}, infos(found.inputs, found.input_count),
                    infos(found.outputs, found.output_count)};
        for (const auto *version : std::span(found.versions, found.version_count)) {
            model.versions.emplace_back(version);
        }
        keynet_model_free(&found);
        return model;
    }

private:
    [[nodiscard]] keynet_request named(const detail::LentRequest &lent) const {
        auto request = lent.get();
        if (request.model == nullptr || *request.model == '\0') request.model = model_.c_str();
        return request;
    }

    static std::vector<TensorInfo> infos(const keynet_tensor_info *all, std::size_t count) {
        std::vector<TensorInfo> made;
        for (const auto &each : std::span(all, count)) {
            made.push_back({each.name, static_cast<DataType>(each.data_type),
                            Shape(each.shape.sizes, each.shape.sizes + each.shape.rank)});
        }
        return made;
    }

    std::string model_;
};

} // namespace keynet

#endif
