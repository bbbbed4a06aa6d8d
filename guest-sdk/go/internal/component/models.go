//go:build wasip1

package component

import (
	"runtime"

	abi "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_triton_predict"
	input "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_user_input"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/types"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// Host is the host of this component.
type Host struct{}

// Param implements [host.Host].
func (Host) Param(name string) (string, bool) {
	value := call(func() wit_types.Option[string] { return input.Get(name) })
	return value.SomeOr(""), value.IsSome()
}

// Params implements [host.Host].
func (Host) Params() string { return call(input.All) }

// NewTensor copies data into a tensor of the host.
func NewTensor(dataType uint8, shape []int64, data []byte) (host.Tensor, *host.Failure) {
	return makeTensor(func() result[*abi.Tensor] { return abi.TensorCreate(dataType, shape, data) })
}

type tensor struct{ handle *abi.Tensor }

func (t tensor) DataType() uint8    { return t.handle.DataType() }
func (t tensor) Shape() []int64     { return call(t.handle.Shape) }
func (t tensor) ByteLength() uint64 { return t.handle.ByteLength() }
func (t tensor) Data() []byte       { return collectable(call(t.handle.Data)) }
func (t tensor) Drop()              { t.handle.Drop() }

func (t tensor) Read(offset, length uint64) []byte {
	return collectable(call(func() []byte { return t.handle.Read(offset, length) }))
}

// Predict implements [host.Host].
func (Host) Predict(request host.Request) ([]host.Named, *host.Failure) {
	lowered := lower(request)
	defer runtime.KeepAlive(request)
	outputs, failure := fallible(func() result[[]abi.Output] { return abi.Predict(lowered) })
	return lift(outputs), failure
}

// PredictMany implements [host.Host].
func (Host) PredictMany(requests []host.Request) []host.Prediction {
	lowered := make([]abi.Request, len(requests))
	for i, request := range requests {
		lowered[i] = lower(request)
	}
	defer runtime.KeepAlive(requests)
	answers := call(func() []result[[]abi.Output] { return abi.PredictMany(lowered) })
	predictions := make([]host.Prediction, len(answers))
	for i, answer := range answers {
		if answer.IsErr() {
			err := answer.Err()
			predictions[i].Failure = &host.Failure{Kind: err.Kind, Message: err.Message}
		} else {
			predictions[i].Outputs = lift(answer.Ok())
		}
	}
	return predictions
}

// PredictStream implements [host.Host].
func (Host) PredictStream(request host.Request) (host.Stream, *host.Failure) {
	lowered := lower(request)
	defer runtime.KeepAlive(request)
	opened, failure := fallible(func() result[*abi.PredictionStream] {
		return abi.PredictStream(lowered)
	})
	if failure != nil {
		return nil, failure
	}
	taken(0)
	return stream{opened}, nil
}

// Metadata implements [host.Host].
func (Host) Metadata(model string) (host.Metadata, *host.Failure) {
	metadata, failure := fallible(func() result[abi.ModelMetadata] { return abi.Metadata(model) })
	return host.Metadata{
		Name:     metadata.Name,
		Versions: metadata.Versions,
		Platform: metadata.Platform,
		Inputs:   infos(metadata.Inputs),
		Outputs:  infos(metadata.Outputs),
	}, failure
}

type stream struct{ handle *abi.PredictionStream }

func (s stream) Next() ([]host.Named, bool, *host.Failure) {
	next, failure := fallible(s.handle.Next)
	if failure != nil || next.IsNone() {
		return nil, false, failure
	}
	return lift(next.Some()), true, nil
}

func (s stream) Drop() { s.handle.Drop() }

// result is a result of the contract.
type result[T any] = wit_types.Result[T, abi.Error]

func lower(request host.Request) abi.Request {
	inputs := make([]abi.Input, len(request.Inputs))
	for i, named := range request.Inputs {
		inputs[i] = abi.Input{Name: named.Name, Tensor: named.Tensor.(tensor).handle}
	}
	return abi.Request{
		Model:      request.Model,
		Inputs:     inputs,
		Outputs:    request.Outputs,
		TimeoutMs:  option(request.TimeoutMs),
		Parameters: request.Parameters,
	}
}

func lift(outputs []abi.Output) []host.Named {
	named := make([]host.Named, len(outputs))
	for i, output := range outputs {
		named[i] = host.Named{Name: output.Name, Tensor: tensor{output.Tensor}}
		taken(output.Tensor.ByteLength())
	}
	return named
}

func infos(declared []abi.TensorInfo) []host.TensorInfo {
	infos := make([]host.TensorInfo, len(declared))
	for i, info := range declared {
		infos[i] = host.TensorInfo(info)
	}
	return infos
}
