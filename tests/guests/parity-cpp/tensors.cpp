// Tensors of each element type, to a model and back.
#include <numeric>

#include "parity.hpp"

using keynet::Bf16;
using keynet::DataType;
using keynet::Fp16;
using keynet::Json;
using keynet::Result;
using keynet::Shape;
using keynet::Tensor;
using keynet::Triton;
using keynet::UserInput;

// A tensor of the parameter `values`, read as From and stored as To.
template <class To, class From = To>
static Result<Tensor> make(const Shape &shape) {
    KEYNET_TRY(auto values, UserInput::get<std::vector<From>>("values"));
    if constexpr (std::same_as<To, From>) {
        return Tensor::from(shape, values);
    } else {
        std::vector<To> converted;
        for (auto value : values) converted.push_back(To(value));
        return Tensor::from(shape, converted);
    }
}

static Result<Tensor> make_bytes(const Shape &shape) {
    KEYNET_TRY(auto values, UserInput::get<std::vector<std::string>>("values"));
    return Tensor::from_texts(shape, values);
}

static Result<Tensor> make(const std::string &type, const Shape &shape) {
    if (type == "BOOL") return make<bool>(shape);
    if (type == "UINT8") return make<std::uint8_t>(shape);
    if (type == "UINT16") return make<std::uint16_t>(shape);
    if (type == "UINT32") return make<std::uint32_t>(shape);
    if (type == "UINT64") return make<std::uint64_t>(shape);
    if (type == "INT8") return make<std::int8_t>(shape);
    if (type == "INT16") return make<std::int16_t>(shape);
    if (type == "INT32") return make<std::int32_t>(shape);
    if (type == "INT64") return make<std::int64_t>(shape);
    if (type == "FP16") return make<Fp16, double>(shape);
    if (type == "BF16") return make<Bf16, double>(shape);
    if (type == "FP32") return make<float, double>(shape);
    if (type == "FP64") return make<double>(shape);
    if (type == "BYTES") return make_bytes(shape);
    return keynet::invalid("there is no type `" + type + "`");
}

template <class T, class As = T>
static Result<Json> values(const Tensor &tensor) {
    KEYNET_TRY(auto elements, tensor.elements<T>());
    Json all = Json::array();
    for (const auto &element : elements) all.push_back(static_cast<As>(element));
    return all;
}

static Result<Json> values(const Tensor &tensor) {
    switch (tensor.data_type()) {
    case DataType::boolean: return values<bool>(tensor);
    case DataType::uint8: return values<std::uint8_t>(tensor);
    case DataType::uint16: return values<std::uint16_t>(tensor);
    case DataType::uint32: return values<std::uint32_t>(tensor);
    case DataType::uint64: return values<std::uint64_t>(tensor);
    case DataType::int8: return values<std::int8_t>(tensor);
    case DataType::int16: return values<std::int16_t>(tensor);
    case DataType::int32: return values<std::int32_t>(tensor);
    case DataType::int64: return values<std::int64_t>(tensor);
    case DataType::fp16: return values<Fp16, double>(tensor);
    case DataType::bf16: return values<Bf16, double>(tensor);
    case DataType::fp32: return values<float, double>(tensor);
    case DataType::fp64: return values<double>(tensor);
    case DataType::bytes: break;
    }
    KEYNET_TRY(auto texts, tensor.texts());
    return Json(texts);
}

static Result<Tensor> predict(const std::string &model, const std::string &input,
                              const std::string &output, const Tensor &tensor) {
    KEYNET_TRY(auto outputs, Triton(model).predict({{input, tensor}}));
    return outputs.take(output);
}

// Makes a tensor of `type` and `shape` with `values`, sends it through `model`, if there is one, and answers
// with what comes out.
Result<Json> through() {
    KEYNET_TRY(auto type, UserInput::get<std::string>("type"));
    KEYNET_TRY(auto shape, UserInput::get<Shape>("shape"));
    KEYNET_TRY(auto model, UserInput::find<std::string>("model"));
    KEYNET_TRY(auto input, UserInput::get_or<std::string>("input", "in"));
    KEYNET_TRY(auto output, UserInput::get_or<std::string>("output", "out"));
    KEYNET_TRY(auto tensor, make(type, shape));
    if (model) {
        KEYNET_TRY(tensor, predict(*model, input, output, tensor));
    }
    KEYNET_TRY(auto found, values(tensor));
    return Json::object({{"type", name_of(tensor.data_type())},
                         {"shape", tensor.shape()},
                         {"bytes", tensor.size()},
                         {"values", found}});
}

// Sends a tensor of 12 MiB to a model and back.
Result<Json> big() {
    constexpr std::int64_t rows = 1536, columns = 2048, count = rows * columns;
    std::vector<float> data(count);
    for (std::size_t at = 0; at < data.size(); at++) data[at] = static_cast<float>(at % 1000);
    KEYNET_TRY(auto tensor, Tensor::from({rows, columns}, data));
    KEYNET_TRY(auto out, predict("identity_fp32", "in", "out", tensor));
    KEYNET_TRY(auto last, out.elements<float>(count - 2, 2));
    KEYNET_TRY(auto all, out.elements<float>());
    return Json::object({{"shape", out.shape()},
                         {"bytes", out.size()},
                         {"last", last.span()},
                         {"sum", std::accumulate(all.begin(), all.end(), 0.0)}});
}
