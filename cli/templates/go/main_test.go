package main

import (
	"errors"
	"reflect"
	"testing"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynettest"
)

func TestItGreets(t *testing.T) {
	env := keynettest.Environment{Params: map[string]any{"name": "Ada"}}
	result, err := keynettest.Run(t.Context(), &env, greet)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"greeting": "Hello, Ada!"}; !reflect.DeepEqual(result, want) {
		t.Errorf("got %v, want %v", result, want)
	}
}

func TestAnEmptyNameIsRefused(t *testing.T) {
	env := keynettest.Environment{Params: map[string]any{"name": ""}}
	_, err := keynettest.Run(t.Context(), &env, greet)
	if !errors.Is(err, keynet.ErrInvalid) {
		t.Errorf("got %v, want an error of the kind invalid", err)
	}
}
