package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// through makes a tensor of type and shape with values, sends it through a model, if there is one,
// and returns what comes out.
func through(ctx context.Context) (any, error) {
	name, err := keynet.UserInput[string](ctx, "type")
	if err != nil {
		return nil, err
	}
	shape, err := keynet.UserInput[[]int](ctx, "shape")
	if err != nil {
		return nil, err
	}
	element, ok := elements[keynet.DataType(name)]
	if !ok {
		return nil, keynet.Errorf(keynet.ErrInvalid, "%s is no type", name)
	}
	tensor, err := element.make(ctx, shape)
	if err != nil {
		return nil, err
	}
	model, err := keynet.UserInputOr(ctx, "model", "")
	if err != nil {
		return nil, err
	}
	if model != "" {
		if tensor, err = ask(ctx, model, tensor); err != nil {
			return nil, err
		}
	}
	values, err := element.values(tensor)
	return map[string]any{
		"type": tensor.DataType(), "shape": tensor.Shape(), "bytes": tensor.Size(), "values": values,
	}, err
}

func ask(ctx context.Context, model string, tensor *keynet.Tensor) (*keynet.Tensor, error) {
	input, err := keynet.UserInputOr(ctx, "input", "in")
	if err != nil {
		return nil, err
	}
	output, err := keynet.UserInputOr(ctx, "output", "out")
	if err != nil {
		return nil, err
	}
	outputs, err := keynet.Triton{Model: model}.Predict(ctx, keynet.Tensors{input: tensor})
	return outputs[output], err
}

// element is how a tensor of a type is made from the parameter values, and read.
type element struct {
	make   func(ctx context.Context, shape []int) (*keynet.Tensor, error)
	values func(tensor *keynet.Tensor) (any, error)
}

var elements = map[keynet.DataType]element{
	keynet.Bool:   plain[bool](),
	keynet.Uint8:  numbers(func(v int64) uint8 { return uint8(v) }, func(v uint8) int64 { return int64(v) }),
	keynet.Uint16: plain[uint16](),
	keynet.Uint32: plain[uint32](),
	keynet.Uint64: plain[uint64](),
	keynet.Int8:   plain[int8](),
	keynet.Int16:  plain[int16](),
	keynet.Int32:  plain[int32](),
	keynet.Int64:  plain[int64](),
	// The table has the digits of double precision.
	keynet.FP16: numbers(
		func(v float64) keynet.Float16 { return keynet.NewFloat16(float32(v)) },
		func(v keynet.Float16) float64 { return float64(v.Float32()) }),
	keynet.BF16: numbers(
		func(v float64) keynet.BFloat16 { return keynet.NewBFloat16(float32(v)) },
		func(v keynet.BFloat16) float64 { return float64(v.Float32()) }),
	keynet.FP32:  numbers(func(v float64) float32 { return float32(v) }, func(v float32) float64 { return float64(v) }),
	keynet.FP64:  plain[float64](),
	keynet.Bytes: plain[string](),
}

// plain is for elements that JSON has as they are.
func plain[T keynet.Element]() element {
	return numbers(func(v T) T { return v }, func(v T) T { return v })
}

// numbers is for elements that JSON has in another type.
func numbers[J any, T keynet.Element](from func(J) T, to func(T) J) element {
	return element{
		make: func(ctx context.Context, shape []int) (*keynet.Tensor, error) {
			values, err := keynet.UserInput[[]J](ctx, "values")
			if err != nil {
				return nil, err
			}
			data := make([]T, len(values))
			for i, value := range values {
				data[i] = from(value)
			}
			return keynet.NewTensor(shape, data)
		},
		values: func(tensor *keynet.Tensor) (any, error) {
			data, err := keynet.Elements[T](tensor)
			values := make([]J, len(data))
			for i, value := range data {
				values[i] = to(value)
			}
			return values, err
		},
	}
}

// big sends a tensor of 12 MiB to a model and back.
func big(ctx context.Context) (any, error) {
	shape := []int{1536, 2048}
	data := make([]float32, shape[0]*shape[1])
	for i := range data {
		data[i] = float32(i % 1000)
	}
	tensor, err := keynet.NewTensor(shape, data)
	if err != nil {
		return nil, err
	}
	outputs, err := keynet.Triton{Model: "identity_fp32"}.Predict(ctx, keynet.Tensors{"in": tensor})
	if err != nil {
		return nil, err
	}
	out := outputs["out"]
	last, err := keynet.ElementsAt[float32](out, out.Len()-2, out.Len())
	if err != nil {
		return nil, err
	}
	all, err := keynet.Elements[float32](out)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, value := range all {
		sum += float64(value)
	}
	return map[string]any{"shape": out.Shape(), "bytes": out.Size(), "last": last, "sum": sum}, nil
}

// churn makes many calls with large results, and garbage between them: the collector must run, and
// never within a call. Timers and goroutines are under way.
func churn(ctx context.Context) (any, error) {
	calls, err := keynet.UserInputOr(ctx, "calls", 300)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticks := 0
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	go func() {
		for range ticker.C {
			ticks++
			_ = fmt.Sprint(ticks)
		}
	}()
	piece := make([]byte, 1<<20)
	for i := range piece {
		piece[i] = byte(i >> 8)
	}
	if _, err := (keynet.Storage{}).Put(ctx, piece, keynet.PutOptions{Location: "parity/piece"}); err != nil {
		return nil, err
	}
	failures := make(chan error)
	const goroutines = 3
	for range goroutines {
		go func() {
			var kept []string
			for i := range calls / goroutines {
				got, err := keynet.Storage{}.Get(ctx, "parity/piece")
				if err == nil && !slices.Equal(got, piece) {
					err = fmt.Errorf("call %d returned other bytes", i)
				}
				if err != nil {
					failures <- err
					return
				}
				kept = append(kept[max(0, len(kept)-1000):], fmt.Sprint(i, len(got)))
			}
			failures <- nil
		}()
	}
	for range goroutines {
		if err := <-failures; err != nil {
			return nil, err
		}
	}
	if ticks == 0 {
		return nil, errors.New("no timer has fired")
	}
	return map[string]int{"calls": calls / goroutines * goroutines}, nil
}

// leave makes tensors, large and many, and closes none: nothing refers to them any more.
func leave(ctx context.Context) (any, error) {
	if _, err := (keynet.Storage{}).Put(ctx, make([]byte, 12<<20), keynet.PutOptions{Location: "parity/leave"}); err != nil {
		return nil, err
	}
	for range 40 {
		object, err := keynet.Storage{}.Open(ctx, "parity/leave")
		if err != nil {
			return nil, err
		}
		if _, err := object.Tensor(keynet.FP32, []int{1536, 2048}); err != nil {
			return nil, err
		}
	}
	for i := range 3000 {
		tensor, err := keynet.NewTensor([]int{1, 1}, []float32{float32(i)})
		if err != nil {
			return nil, err
		}
		outputs, err := keynet.Triton{Model: "identity_fp32"}.Predict(ctx, keynet.Tensors{"in": tensor})
		if err != nil {
			return nil, err
		}
		got, err := keynet.Elements[float32](outputs["out"])
		if err != nil || got[0] != float32(i) {
			return nil, fmt.Errorf("%v is not %d: %w", got, i, err)
		}
	}
	return struct{}{}, nil
}
