package keynet

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestAResultIsAnObjectOrAnArray(t *testing.T) {
	for want, result := range map[string]any{
		`{"a":"<&한>"}`: map[string]any{"a": "<&한>"},
		`[1,null]`:     []any{1, nil},
		`{}`:           struct{}{},
	} {
		if got, err := resultText(result); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	for want, result := range map[string]any{
		"the function returned null, but":                           nil,
		`the function returned "text", but a result must be a JSON`: "text",
		"the result cannot be written as JSON: json: unsupported":   map[string]any{"x": math.NaN()},
		"cannot be written as JSON: json: unsupported type: chan":   map[string]any{"x": make(chan int)},
	} {
		if _, err := resultText(result); err == nil || !strings.Contains(err.Error(), want) || KindOf(err) != ErrInternal {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAFunctionIsCalledWithItsParametersAndGivesItsError(t *testing.T) {
	wrong := errors.New("wrong")
	function := func(_ context.Context, args struct{ Name string }) (map[string]string, error) {
		if args.Name == "" {
			return nil, wrong
		}
		return map[string]string{"hello": args.Name}, nil
	}
	text, err := Call(t.Context(), function, `{"Name": "Ada"}`)
	if err != nil || text != `{"hello":"Ada"}` {
		t.Errorf("got %s, %v", text, err)
	}
	if _, err := Call(t.Context(), function, `{"Name": ""}`); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

func TestASecondFunctionIsRefused(t *testing.T) {
	defer func() { declared = nil }()
	defer func() {
		if told, _ := recover().(string); !strings.Contains(told, `"one"`) || !strings.Contains(told, `"two"`) {
			t.Errorf("got %q", told)
		}
	}()
	nothing := func(context.Context, map[string]any) (any, error) { return nil, nil }
	Function(Info{Name: "one"}, nothing)
	Function(Info{Name: "two"}, nothing)
}

//go:noinline
func index(list []int, at int) int { return list[at] }

func TestAPanicNamesItsPlace(t *testing.T) {
	_, err := guarded(func() (string, error) { panic("the box is empty") })
	if err == nil || !strings.HasPrefix(err.Error(), "panic: the box is empty (function_test.go:") {
		t.Errorf("got %v", err)
	}
	_, err = guarded(func() (text string, err error) {
		defer func() {
			// What is thrown again keeps the place where it began.
			if value := recover(); value != nil {
				panic(value)
			}
		}()
		return "", map[int]error{}[index(nil, 4)]
	})
	if err == nil || !strings.Contains(err.Error(), "index out of range [4]") || !strings.Contains(err.Error(), "(function_test.go:63)") {
		t.Errorf("got %v", err)
	}
}
