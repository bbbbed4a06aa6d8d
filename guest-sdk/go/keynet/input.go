package keynet

import (
	"context"
	"fmt"
	"reflect"
)

// UserInput returns one parameter of the activation, anywhere in the code that its function calls.
// It is [ErrInvalid] if the parameter was not sent, or is no T.
func UserInput[T any](ctx context.Context, name string) (T, error) {
	value, sent, err := userInput[T](ctx, name)
	if err == nil && !sent {
		err = Errorf(ErrInvalid, "the parameter `%s` is missing: expected %s",
			name, expectation(reflect.TypeFor[T]()))
	}
	return value, err
}

// UserInputOr returns one parameter of the activation; the fallback if it was not sent, or is null.
func UserInputOr[T any](ctx context.Context, name string, fallback T) (T, error) {
	value, sent, err := userInput[T](ctx, name)
	if err == nil && !sent {
		return fallback, nil
	}
	return value, err
}

// UserInputs returns all parameters of the activation. Numbers are of the type
// [encoding/json.Number], which keeps all of their digits.
func UserInputs(ctx context.Context) (map[string]any, error) {
	host, err := hostOf(ctx)
	if err != nil {
		return nil, err
	}
	value, err := decode(host.Params())
	if err != nil {
		return nil, Errorf(ErrInvalid, "the parameters cannot be read as JSON: %w", err)
	}
	all, _ := value.(map[string]any)
	return all, nil
}

func userInput[T any](ctx context.Context, name string) (value T, sent bool, err error) {
	host, err := hostOf(ctx)
	if err != nil {
		return value, false, err
	}
	text, ok := host.Param(name)
	if !ok || text == "null" {
		return value, false, nil
	}
	what := fmt.Sprintf("the parameter `%s`", name)
	read, err := decode(text)
	if err != nil {
		return value, true, Errorf(ErrInvalid, "%s cannot be read as JSON: %w", what, err)
	}
	if _, isWeb := host.Param(webMethod); isWeb {
		read = fromText(read, reflect.TypeFor[T]())
	}
	if read, err = check(name, reflect.TypeFor[T](), read); err != nil {
		return value, true, err
	}
	return value, true, assign(what, read, &value)
}
