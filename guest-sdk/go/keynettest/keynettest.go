// Package keynettest runs the code of an action in a test: its calls meet parameters, objects and
// models in memory.
//
//	func TestItFindsTheCat(t *testing.T) {
//		env := keynettest.Environment{
//			Params:  map[string]any{"image_url": "cat.png"},
//			Objects: map[string][]byte{"cat.png": picture},
//			Models:  map[string]keynettest.Model{"detector": {Answer: detector}},
//		}
//		result, err := keynettest.Run(t.Context(), &env, detect)
//		// …
//	}
package keynettest

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/memory"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// An Environment is what the code of an action meets. Objects that it stores stay: keys and etags
// follow from the order of storing, so that a test can expect them. Its zero value is empty.
type Environment struct {
	// Params are the parameters that the caller sends.
	Params map[string]any
	// Objects are there from the beginning: under a key, an s3://bucket/key, or an http(s) URL.
	Objects map[string][]byte
	// Models are the models by name.
	Models map[string]Model
	// DefaultModel is asked when none is named; the only model if it is empty.
	DefaultModel string

	memory *store
}

// A Model answers in a test.
type Model struct {
	// Answer is for Predict and PredictMany.
	Answer func(inputs keynet.Tensors) (keynet.Tensors, error)
	// Stream is for PredictStream; Answer once if it is nil.
	Stream func(inputs keynet.Tensors) iter.Seq2[keynet.Tensors, error]
	// Metadata is what Triton.Metadata returns. An input of another type than it declares is refused,
	// as a server does.
	Metadata keynet.ModelMetadata
}

// A Written object was stored by the action.
type Written struct {
	Location    string
	Data        []byte
	ContentType string
}

// Run runs the function of an action as the host does: parameters and result pass through JSON, and
// are checked on the way. It returns the result as encoding/json reads it.
func Run[A, R any](
	ctx context.Context,
	env *Environment,
	function func(ctx context.Context, args A) (R, error),
) (any, error) {
	text, err := keynet.Call(env.Context(ctx), function, env.params())
	if err != nil {
		return nil, err
	}
	var result any
	return result, json.Unmarshal([]byte(text), &result)
}

// Context returns a context whose calls meet the environment.
func (e *Environment) Context(ctx context.Context) context.Context {
	e.objects()
	return memory.WithHost(ctx, &testHost{e})
}

// Written returns the objects that the action stored and did not delete, in the order of their
// locations.
func (e *Environment) Written() []Written {
	written := []Written{}
	for location, object := range e.objects().all {
		if object.byAction {
			written = append(written, Written{location, object.data, object.contentType})
		}
	}
	slices.SortFunc(written, func(a, b Written) int { return strings.Compare(a.Location, b.Location) })
	return written
}

// params returns the parameters as the caller sends them.
func (e *Environment) params() string {
	if e.Params == nil {
		return "{}"
	}
	text, err := json.Marshal(e.Params)
	if err != nil {
		panic("the parameters of a test cannot be written as JSON: " + err.Error())
	}
	return string(text)
}

// objects returns the store, with the objects that are there from the beginning.
func (e *Environment) objects() *store {
	if e.memory == nil {
		e.memory = &store{all: map[string]*object{}}
		for location, data := range e.Objects {
			e.memory.put(location, data, "", false)
		}
	}
	return e.memory
}

// testHost answers the calls of an action from an environment.
type testHost struct{ *Environment }

var _ host.Host = (*testHost)(nil)

// Param implements [host.Host], as do the others.
func (h *testHost) Param(name string) (string, bool) {
	value, ok := h.Environment.Params[name]
	if !ok {
		return "", false
	}
	text, err := json.Marshal(value)
	return string(text), err == nil
}

func (h *testHost) Params() string { return h.params() }

// failure returns the failed call that an error of a model stands for.
func failure(err error) *host.Failure {
	numbers := map[keynet.Kind]uint8{
		keynet.ErrInvalid: 0, keynet.ErrNotFound: 1, keynet.ErrDenied: 2, keynet.ErrPreconditionFailed: 3,
		keynet.ErrTooLarge: 4, keynet.ErrTimeout: 5, keynet.ErrUnavailable: 6, keynet.ErrInternal: 7,
	}
	return &host.Failure{Kind: numbers[keynet.KindOf(err)], Message: err.Error()}
}

func failuref(kind keynet.Kind, format string, args ...any) *host.Failure {
	return failure(keynet.Errorf(kind, format, args...))
}
