// Command parity-go does what every SDK must do alike: `do` names the part. tests/parity/README.md
// says what each part answers.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// Args are the declared parameters.
type Args struct {
	Do       string   `json:"do" doc:"The part."`
	Whole    *int64   `json:"whole"`
	Fraction *float64 `json:"fraction"`
	Flag     *bool    `json:"flag"`
	Text     *string  `json:"text"`
}

var runs int

func parity(ctx context.Context, args Args) (any, error) {
	switch args.Do {
	case "echo":
		return keynet.UserInputs(ctx)
	case "kinds":
		return kinds(ctx)
	case "defaults":
		return defaults(ctx)
	case "typed":
		return map[string]any{
			"whole": args.Whole, "fraction": args.Fraction, "flag": args.Flag, "text": args.Text,
		}, nil
	case "array":
		return []any{1, "two", map[string]int{"three": 3}}, nil
	case "not-json":
		return map[string]any{"picture": map[[2]int]int{{1, 2}: 3}}, nil
	case "crash":
		panic("the box is empty: 상자") // crashes here
	case "crash-elsewhere":
		return crashElsewhere()
	case "raise":
		return raise(ctx)
	case "catch":
		return catch(ctx)
	case "tensor":
		return through(ctx)
	case "big-tensor":
		return big(ctx)
	case "churn":
		return churn(ctx)
	case "deadline":
		deadline, ok := ctx.Deadline()
		return map[string]any{"has": ok, "seconds": time.Until(deadline).Seconds()}, nil
	case "leave":
		return leave(ctx)
	case "log":
		logEverything()
		return struct{}{}, nil
	case "environment":
		return environment(ctx)
	case "fresh":
		return fresh()
	case "runs":
		runs++
		return map[string]int{"runs": runs}, nil
	case "files":
		return files(), nil
	case "allocate":
		return allocate(), nil
	case "compute":
		return compute(), nil
	case "sleep":
		return sleep(), nil
	case "recurse":
		return map[string]int{"depth": recurse(0)}, nil
	case "deadlock":
		select {}
	case "exit":
		os.Exit(3)
	}
	return nil, keynet.Errorf(keynet.ErrInvalid, "there is no part `%s`", args.Do)
}

// kinds returns the JSON type of each parameter, as it arrives.
func kinds(ctx context.Context) (any, error) {
	all, err := keynet.UserInputs(ctx)
	if err != nil {
		return nil, err
	}
	delete(all, "do")
	names := map[string]string{}
	for name, value := range all {
		switch value.(type) {
		case nil:
			names[name] = "null"
		case bool:
			names[name] = "boolean"
		case json.Number:
			names[name] = "number"
		case string:
			names[name] = "string"
		case []any:
			names[name] = "array"
		default:
			names[name] = "object"
		}
	}
	return names, nil
}

func defaults(ctx context.Context) (any, error) {
	sent, err := keynet.UserInputOr(ctx, "sent", 0.5)
	if err != nil {
		return nil, err
	}
	missing, err := keynet.UserInputOr(ctx, "missing", 0.5)
	if err != nil {
		return nil, err
	}
	flag, err := keynet.UserInputOr(ctx, "flag", false)
	if err != nil {
		return nil, err
	}
	text, err := keynet.UserInputOr(ctx, "text", "none")
	return map[string]any{"sent": sent, "missing": missing, "flag": flag, "text": text}, err
}

func logEverything() {
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error")
	fmt.Println("한국어, ü and \U0001f600")
	slog.Debug("finely")
	slog.Info("informed")
	slog.Warn("warned")
	slog.Error("wrong")
	fmt.Print("without an end")
}

func environment(ctx context.Context) (any, error) {
	names, err := keynet.UserInput[[]string](ctx, "names")
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			values[name] = value
		} else {
			values[name] = nil
		}
	}
	return values, nil
}

func main() {
	keynet.Function(keynet.Info{
		Name:        "parity-go",
		Description: "Does what every SDK must do alike.",
	}, parity)
}
