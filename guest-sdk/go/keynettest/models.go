package keynettest

import (
	"iter"
	"strings"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/memory"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// maxRequests is how many requests go at once.
const maxRequests = 256

// dataTypes are the data types by their numbers in the contract.
var dataTypes = [...]keynet.DataType{
	keynet.Bool, keynet.Uint8, keynet.Uint16, keynet.Uint32, keynet.Uint64,
	keynet.Int8, keynet.Int16, keynet.Int32, keynet.Int64,
	keynet.FP16, keynet.BF16, keynet.FP32, keynet.FP64, keynet.Bytes,
}

func (h *testHost) Predict(request host.Request) ([]host.Named, *host.Failure) {
	model, inputs, failed := h.ask(request)
	if failed != nil {
		return nil, failed
	}
	if model.Answer == nil {
		return nil, failuref(keynet.ErrInvalid, "the model %q answers many times: use PredictStream", request.Model)
	}
	return chosen(request)(model.Answer(inputs))
}

func (h *testHost) PredictMany(requests []host.Request) []host.Prediction {
	predictions := make([]host.Prediction, len(requests))
	for i, request := range requests {
		if len(requests) > maxRequests {
			predictions[i].Failure = failuref(keynet.ErrTooLarge, "%d requests at once: at most %d", len(requests), maxRequests)
		} else {
			predictions[i].Outputs, predictions[i].Failure = h.Predict(request)
		}
	}
	return predictions
}

func (h *testHost) PredictStream(request host.Request) (host.Stream, *host.Failure) {
	model, inputs, failed := h.ask(request)
	if failed != nil {
		return nil, failed
	}
	answers := model.Stream
	if answers == nil {
		answers = func(inputs keynet.Tensors) iter.Seq2[keynet.Tensors, error] {
			return func(yield func(keynet.Tensors, error) bool) { yield(model.Answer(inputs)) }
		}
	}
	next, stop := iter.Pull2(answers(inputs))
	return &stream{request, next, stop}, nil
}

func (h *testHost) Metadata(name string) (host.Metadata, *host.Failure) {
	model, failed := h.model(name)
	if failed != nil {
		return host.Metadata{}, failed
	}
	metadata := model.Metadata
	return host.Metadata{
		Name:     metadata.Name,
		Versions: metadata.Versions,
		Platform: metadata.Platform,
		Inputs:   lowered(metadata.Inputs),
		Outputs:  lowered(metadata.Outputs),
	}, nil
}

// stream is the answers of a model.
type stream struct {
	request host.Request
	next    func() (keynet.Tensors, error, bool)
	stop    func()
}

func (s *stream) Next() ([]host.Named, bool, *host.Failure) {
	outputs, err, more := s.next()
	if !more {
		return nil, false, nil
	}
	named, failed := chosen(s.request)(outputs, err)
	return named, failed == nil, failed
}

func (s *stream) Drop() { s.stop() }

// ask returns the model of a request and its inputs.
func (h *testHost) ask(request host.Request) (Model, keynet.Tensors, *host.Failure) {
	model, failed := h.model(request.Model)
	if failed != nil {
		return Model{}, nil, failed
	}
	if request.TimeoutMs != nil && *request.TimeoutMs == 0 {
		return Model{}, nil, failuref(keynet.ErrTimeout, "model %s: there was no time left", request.Model)
	}
	inputs := keynet.Tensors{}
	for _, named := range request.Inputs {
		found := dataTypes[named.Tensor.DataType()]
		for _, declared := range model.Metadata.Inputs {
			if declared.Name == named.Name && declared.DataType != found {
				return Model{}, nil, failuref(keynet.ErrInvalid, "model %s, input %s: expected %s, got %s",
					request.Model, named.Name, declared.DataType, found)
			}
		}
		shape := []int{}
		for _, size := range named.Tensor.Shape() {
			shape = append(shape, int(size))
		}
		tensor, err := keynet.NewRawTensor(found, shape, named.Tensor.Data())
		if err != nil {
			return Model{}, nil, failure(err)
		}
		inputs[named.Name] = tensor
	}
	return model, inputs, nil
}

// model returns the model of a name, as a request has it.
func (h *testHost) model(name string) (Model, *host.Failure) {
	if name == "" {
		name = h.DefaultModel
	}
	if name == "" && len(h.Models) == 1 {
		for _, model := range h.Models {
			return model, nil
		}
	}
	bare := strings.TrimPrefix(name, "models:/")
	if end := strings.IndexAny(bare, "@/:"); end >= 0 {
		bare = bare[:end]
	}
	model, ok := h.Models[bare]
	if !ok {
		return Model{}, failuref(keynet.ErrNotFound, "there is no model %q in this test: add it to Models", name)
	}
	return model, nil
}

// chosen returns what takes a model's answer to the outputs that a request wants.
func chosen(request host.Request) func(keynet.Tensors, error) ([]host.Named, *host.Failure) {
	return func(outputs keynet.Tensors, err error) ([]host.Named, *host.Failure) {
		if err != nil {
			return nil, failure(err)
		}
		wanted := request.Outputs
		if len(wanted) == 0 {
			for name := range outputs {
				wanted = append(wanted, name)
			}
		}
		named := make([]host.Named, len(wanted))
		for i, name := range wanted {
			tensor := outputs[name]
			if tensor == nil {
				return nil, failuref(keynet.ErrInvalid, "the model has no output %q", name)
			}
			shape := []int64{}
			for _, size := range tensor.Shape() {
				shape = append(shape, int64(size))
			}
			made, failed := memory.NewTensor(number(tensor.DataType()), shape, tensor.Raw())
			if failed != nil {
				return nil, failed
			}
			named[i] = host.Named{Name: name, Tensor: made}
		}
		return named, nil
	}
}

func number(dataType keynet.DataType) uint8 {
	for number, known := range dataTypes {
		if known == dataType {
			return uint8(number)
		}
	}
	return uint8(len(dataTypes) - 1)
}

func lowered(infos []keynet.TensorInfo) []host.TensorInfo {
	lowered := make([]host.TensorInfo, len(infos))
	for i, info := range infos {
		lowered[i] = host.TensorInfo{Name: info.Name, DataType: number(info.DataType)}
		for _, size := range info.Shape {
			lowered[i].Shape = append(lowered[i].Shape, int64(size))
		}
	}
	return lowered
}
