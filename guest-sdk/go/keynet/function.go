package keynet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
)

// Info is what an action says about itself.
type Info struct {
	// Name is what callers invoke the action by: lower-case letters, digits and hyphens.
	Name string
	// Description is one or two sentences for a person.
	Description string
}

// declared is the program's action.
var declared *action

// action is a function that the host can run.
type action struct {
	info   Info
	schema []byte
	run    func(ctx context.Context, args string) (string, error)
}

// Function declares the action of this program; call it once, in main. A is the type of the
// parameters: a struct, or map[string]any for anything. R is the type of the result: any, or what
// becomes a JSON object or array.
func Function[A, R any](info Info, run func(ctx context.Context, args A) (R, error)) {
	if declared != nil {
		panic(fmt.Sprintf("keynet.Function is called twice: for %q and for %q; a program is one action",
			declared.info.Name, info.Name))
	}
	parameters := parametersOf(reflect.TypeFor[A]())
	declared = &action{
		info:   info,
		schema: parameters.schemaText(),
		run: func(ctx context.Context, args string) (string, error) {
			return call(ctx, parameters, run, args)
		},
	}
	declare(info)
}

// Call runs the function with parameters and result as JSON, as the host does. It is for tests of
// the way in and out; see the package keynettest.
func Call[A, R any](
	ctx context.Context,
	run func(ctx context.Context, args A) (R, error),
	args string,
) (string, error) {
	return call(ctx, parametersOf(reflect.TypeFor[A]()), run, args)
}

func call[A, R any](
	ctx context.Context,
	parameters *parameters,
	run func(ctx context.Context, args A) (R, error),
	text string,
) (string, error) {
	var args A
	if err := parameters.read(text, &args); err != nil {
		return "", err
	}
	result, err := run(ctx, args)
	if err != nil {
		return "", err
	}
	return resultText(result)
}

// resultText returns the JSON of a result.
func resultText(result any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(result); err != nil {
		return "", Errorf(ErrInternal, "the result cannot be written as JSON: %w", err)
	}
	encoded := bytes.TrimSpace(text.Bytes())
	if encoded[0] != '{' && encoded[0] != '[' {
		return "", Errorf(ErrInternal, "the function returned %s, but a result must be a JSON object or "+
			`array: return a struct, or map[string]any{"result": …}`, shown(string(encoded)))
	}
	return string(encoded), nil
}
