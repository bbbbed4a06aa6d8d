// Command {{name}} is an inference action.
package main

import (
	"context"
	"fmt"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// Args are the parameters that callers send.
type Args struct {
	Name string `json:"name" doc:"Who is greeted."`
	Word string `json:"word" doc:"The word that greets." default:"Hello"`
}

// Output is the result.
type Output struct {
	Greeting string `json:"greeting"`
}

func greet(ctx context.Context, args Args) (Output, error) {
	if args.Name == "" {
		return Output{}, keynet.Errorf(keynet.ErrInvalid, "the parameter `name` is empty")
	}
	fmt.Println("greeting", args.Name)
	return Output{Greeting: fmt.Sprintf("%s, %s!", args.Word, args.Name)}, nil
}

func main() {
	keynet.Function(keynet.Info{
		Name:        "{{name}}",
		Description: "Greets a person by name.",
	}, greet)
}
