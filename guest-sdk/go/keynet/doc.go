// Package keynet makes inference actions: fetch an input, ask a model, store the result.
//
// An action is a program with one function:
//
//	package main
//
//	import (
//		"context"
//
//		"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
//	)
//
//	type Args struct {
//		ImageURL  string  `json:"image_url" doc:"Where the picture is."`
//		Threshold float32 `json:"threshold" default:"0.5"`
//	}
//
//	func detect(ctx context.Context, args Args) (any, error) {
//		picture, err := keynet.Storage{}.Get(ctx, args.ImageURL)
//		if err != nil {
//			return nil, err
//		}
//		input, err := keynet.NewTensor([]int{1, len(picture)}, picture)
//		if err != nil {
//			return nil, err
//		}
//		outputs, err := keynet.Triton{}.Predict(ctx, keynet.Tensors{"input_0": input})
//		if err != nil {
//			return nil, err
//		}
//		scores, err := keynet.Elements[float32](outputs["output_0"])
//		if err != nil {
//			return nil, err
//		}
//		return map[string]any{"found": above(scores, args.Threshold)}, nil
//	}
//
//	func main() {
//		keynet.Function(keynet.Info{Name: "detect", Description: "Finds things."}, detect)
//	}
//
// The command "keynet-inference run main.go" compiles it to a WebAssembly component and runs it,
// "keynet-inference push main.go" publishes it. A test gives the function's calls a host in memory,
// see the package keynettest.
//
// # Parameters
//
// The second argument of the function is a struct, whose fields are the parameters by their json
// tags. A parameter is required unless its field is a pointer, has the option omitempty or omitzero,
// or a tag default:"…". The tags doc:"…" (or description:"…") and enum:"a,b" describe it to callers.
// A parameter of a wrong type is an error that names it. A web action's query has text only: there
// the text of a number or a boolean is read as one. A map[string]any takes any parameters; its numbers
// are of the type [encoding/json.Number].
//
// # Results
//
// The result becomes JSON by the rules of encoding/json, and is an object or an array. An error ends
// the activation with its text; its kind is that of an [Error] in its chain, else internal. A panic
// is an error too, with the place in the action's source.
//
// # Context
//
// The context of the function ends at the activation's deadline, where that is known. A call with a
// context that ends earlier waits no longer for a model.
//
// # Logs
//
// Standard output and standard error are the activation's logs. Package log/slog writes there, from
// the level that the variable LOG_LEVEL names: debug, info (the default), warn or error.
package keynet
