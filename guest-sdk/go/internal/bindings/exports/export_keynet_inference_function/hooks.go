// Package export_keynet_inference_function is called by the generated exports. It hands their calls
// to the package keynet, which cannot be imported from here.
package export_keynet_inference_function

import (
	types "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_types"
	wit "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/types"
)

// FunctionInfo is what the generated code lowers for describe.
type FunctionInfo struct {
	Name        string
	Description string
	InputSchema wit.Option[string]
}

// Describe and Run are set before the host can call either.
var (
	Describe func() FunctionInfo
	Run      func(args string) wit.Result[string, types.Error]
)
