// Command hello-go is the smallest action: a name in, a greeting out.
package main

import (
	"context"
	"fmt"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// Args are the parameters.
type Args struct {
	Name string `json:"name" doc:"Who is greeted."`
}

func greet(_ context.Context, args Args) (map[string]string, error) {
	return map[string]string{"greeting": fmt.Sprintf("Hello, %s!", args.Name)}, nil
}

func main() {
	keynet.Function(keynet.Info{Name: "hello-go", Description: "Greets a person by name."}, greet)
}
