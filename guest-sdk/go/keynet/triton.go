package keynet

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// Triton asks a model that Triton serves, or that runs in the host where no Triton is configured.
// The zero value asks the deployment's model, MODEL_NAME.
type Triton struct {
	// Model is name, name:version, models:/name/3 or models:/name@alias; empty for the deployment's.
	Model string
	// Outputs are the only outputs to return; none for all.
	Outputs []string
	// Parameters are for Triton, such as "priority": texts, numbers and booleans.
	Parameters map[string]any
}

// Predict asks the model and waits for its outputs: at most until ctx ends.
//
// It is [ErrInvalid] if an input does not suit the model, [ErrNotFound] or [ErrDenied] for the model,
// [ErrTimeout] or [ErrUnavailable] for the server, [ErrTooLarge] for the request or the answer.
func (t Triton) Predict(ctx context.Context, inputs Tensors) (Tensors, error) {
	asked, request, err := Request{t, inputs}.lower(ctx)
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(inputs)
	outputs, failure := asked.Predict(request)
	if failure != nil {
		return nil, failed(failure)
	}
	return named(outputs), nil
}

// PredictStream asks a model that answers many times, such as one that makes text: each answer comes
// when the model sends it. To stop early cancels the rest. After an error there is nothing more.
func (t Triton) PredictStream(ctx context.Context, inputs Tensors) iter.Seq2[Tensors, error] {
	return func(yield func(Tensors, error) bool) {
		asked, request, err := Request{t, inputs}.lower(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		stream, failure := asked.PredictStream(request)
		runtime.KeepAlive(inputs)
		if failure != nil {
			yield(nil, failed(failure))
			return
		}
		defer stream.Drop()
		for {
			if err := ctx.Err(); err != nil {
				yield(nil, ended(err, t.Model))
				return
			}
			outputs, more, failure := stream.Next()
			if failure != nil {
				yield(nil, failed(failure))
				return
			}
			if !more || !yield(named(outputs), nil) {
				return
			}
		}
	}
}

// Metadata returns the model as its server describes it.
func (t Triton) Metadata(ctx context.Context) (ModelMetadata, error) {
	asked, err := hostOf(ctx)
	if err != nil {
		return ModelMetadata{}, err
	}
	metadata, failure := asked.Metadata(t.Model)
	if failure != nil {
		return ModelMetadata{}, failed(failure)
	}
	return ModelMetadata{
		Name:     metadata.Name,
		Versions: metadata.Versions,
		Platform: metadata.Platform,
		Inputs:   infosOf(metadata.Inputs),
		Outputs:  infosOf(metadata.Outputs),
	}, nil
}

// A Request is one of the questions of [PredictMany].
type Request struct {
	Triton
	Inputs Tensors
}

// A Prediction is the outcome of a [Request].
type Prediction struct {
	Outputs Tensors
	Err     error
}

// PredictMany asks all at once, so that the server can batch them; at most 256. The predictions are
// in the order of the requests, each with its own error.
func PredictMany(ctx context.Context, requests []Request) []Prediction {
	predictions := make([]Prediction, len(requests))
	lowered := make([]host.Request, 0, len(requests))
	var asked host.Host
	for i, request := range requests {
		on, each, err := request.lower(ctx)
		if err != nil {
			// The others go without it, where it alone is wrong.
			predictions[i].Err = err
			continue
		}
		asked = on
		lowered = append(lowered, each)
	}
	if len(lowered) == 0 {
		return predictions
	}
	defer runtime.KeepAlive(requests)
	answers := asked.PredictMany(lowered)
	for i := range predictions {
		if predictions[i].Err != nil || len(answers) == 0 {
			continue
		}
		answer := answers[0]
		answers = answers[1:]
		if answer.Failure != nil {
			predictions[i].Err = failed(answer.Failure)
		} else {
			predictions[i].Outputs = named(answer.Outputs)
		}
	}
	return predictions
}

// A TensorInfo is an input or output as a model declares it.
type TensorInfo struct {
	Name     string
	DataType DataType
	// Shape is the dimensions; -1 stands for any size.
	Shape []int
}

// ModelMetadata is a model as its server describes it.
type ModelMetadata struct {
	Name string
	// Versions are those that can be asked now.
	Versions []string
	// Platform is what runs it, such as "onnxruntime_onnx" or "ensemble".
	Platform string
	Inputs   []TensorInfo
	Outputs  []TensorInfo
}

// lower returns the host to ask and what it is asked.
func (r Request) lower(ctx context.Context) (host.Host, host.Request, error) {
	asked, err := hostOf(ctx)
	if err != nil {
		return nil, host.Request{}, err
	}
	if err := ctx.Err(); err == context.Canceled {
		return nil, host.Request{}, ended(err, r.Model)
	}
	request := host.Request{Model: r.Model, Outputs: r.Outputs, TimeoutMs: timeLeft(ctx)}
	for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		tensor := r.Inputs[name]
		if tensor == nil {
			return nil, host.Request{}, Errorf(ErrInvalid, "the input %q is nil", name)
		}
		if err := tensor.usable(); err != nil {
			return nil, host.Request{}, err
		}
		request.Inputs = append(request.Inputs, host.Named{Name: name, Tensor: tensor.handle})
	}
	if len(r.Parameters) > 0 {
		text, err := json.Marshal(r.Parameters)
		if err != nil {
			return nil, host.Request{}, Errorf(ErrInvalid, "the parameters of a request: %w", err)
		}
		request.Parameters = string(text)
	}
	return asked, request, nil
}

// timeLeft returns the milliseconds until ctx ends; nil if it has no end.
func timeLeft(ctx context.Context) *uint32 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	left := uint32(min(max(time.Until(deadline).Milliseconds(), 0), math.MaxUint32))
	return &left
}

// ended returns the error of a context that has ended.
func ended(err error, model string) error {
	kind := ErrTimeout
	if err == context.Canceled {
		kind = ErrInternal
	}
	return Errorf(kind, "model %q was not asked: %w", model, err)
}

func named(outputs []host.Named) Tensors {
	tensors := make(Tensors, len(outputs))
	for _, output := range outputs {
		tensors[output.Name] = tensorOf(output.Tensor)
	}
	return tensors
}

func infosOf(declared []host.TensorInfo) []TensorInfo {
	infos := make([]TensorInfo, len(declared))
	for i, info := range declared {
		infos[i] = TensorInfo{info.Name, dataTypes[info.DataType].name, narrow(info.Shape)}
	}
	return infos
}
