package keynettest_test

import (
	"context"
	"fmt"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynettest"
)

func ExampleRun() {
	type Args struct {
		Location string `json:"location" doc:"The text."`
	}
	shout := func(ctx context.Context, args Args) (any, error) {
		text, err := keynet.Storage{}.Get(ctx, args.Location)
		if err != nil {
			return nil, err
		}
		return map[string]any{"shouted": string(text) + "!"}, nil
	}

	env := keynettest.Environment{
		Params:  map[string]any{"location": "note.txt"},
		Objects: map[string][]byte{"note.txt": []byte("hello")},
	}
	result, err := keynettest.Run(context.Background(), &env, shout)
	fmt.Println(result, err)

	env.Params = map[string]any{}
	_, err = keynettest.Run(context.Background(), &env, shout)
	fmt.Println(err)
	// Output:
	// map[shouted:hello!] <nil>
	// the parameter `location` is missing: expected a string, "The text."
}
