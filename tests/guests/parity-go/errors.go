package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

var kindsOfErrors = []keynet.Kind{
	keynet.ErrInvalid, keynet.ErrNotFound, keynet.ErrDenied, keynet.ErrPreconditionFailed,
	keynet.ErrTooLarge, keynet.ErrTimeout, keynet.ErrUnavailable, keynet.ErrInternal,
}

// raise returns the error that the parameters name.
func raise(ctx context.Context) (any, error) {
	kind, err := keynet.UserInput[string](ctx, "kind")
	if err != nil {
		return nil, err
	}
	message, err := keynet.UserInput[string](ctx, "message")
	if err != nil {
		return nil, err
	}
	return nil, keynet.Errorf(keynet.Kind(kind), "%s", message)
}

// catch makes a call that fails, and returns how it was caught.
func catch(ctx context.Context) (any, error) {
	name, err := keynet.UserInput[string](ctx, "call")
	if err != nil {
		return nil, err
	}
	call, ok := calls[name]
	if !ok {
		return nil, keynet.Errorf(keynet.ErrInvalid, "there is no call `%s`", name)
	}
	failed := fmt.Errorf("caught: %w", call(ctx))
	for _, kind := range kindsOfErrors {
		if !errors.Is(failed, kind) {
			continue
		}
		var known *keynet.Error
		if !errors.As(failed, &known) || known.Kind != kind || keynet.KindOf(failed) != kind {
			return nil, fmt.Errorf("errors.As and errors.Is differ: %w", failed)
		}
		fmt.Println(known.Message)
		return map[string]keynet.Kind{"caught": kind}, nil
	}
	return nil, errors.New("the call did not fail")
}

var calls = map[string]func(context.Context) error{
	"missing-object": func(ctx context.Context) error { return get(ctx, "parity/missing") },
	"bad-location":   func(ctx context.Context) error { return get(ctx, "ftp://host/key") },
	"other-bucket":   func(ctx context.Context) error { return get(ctx, "s3://parity-elsewhere/key") },
	"write-twice": func(ctx context.Context) error {
		once := keynet.PutOptions{Location: "parity/once", IfAbsent: true}
		_, _ = keynet.Storage{}.Put(ctx, []byte("1"), once)
		_, err := keynet.Storage{}.Put(ctx, []byte("2"), once)
		return err
	},
	"read-too-much": func(ctx context.Context) error {
		_, err := keynet.Storage{}.Put(ctx, make([]byte, 4096), keynet.PutOptions{Location: "parity/large"})
		if err != nil {
			return err
		}
		return get(ctx, "parity/large")
	},
	"missing-model": func(ctx context.Context) error { return predict(ctx, "nobody", "in") },
	"wrong-input":   func(ctx context.Context) error { return predict(ctx, "identity_fp32", "nothing") },
	"no-registry":   func(ctx context.Context) error { return predict(ctx, "models:/identity_fp32@best", "in") },
	"no-time": func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		err := predict(ctx, "identity_fp32", "in")
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w is no end of a context", err)
		}
		return err
	},
}

func get(ctx context.Context, location string) error {
	_, err := keynet.Storage{}.Get(ctx, location)
	return err
}

func predict(ctx context.Context, model, input string) error {
	tensor, err := keynet.NewTensor([]int{1, 2}, []float32{1.5, -2})
	if err != nil {
		return err
	}
	_, err = keynet.Triton{Model: model}.Predict(ctx, keynet.Tensors{input: tensor})
	return err
}
