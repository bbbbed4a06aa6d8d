//go:build !wasip1

package keynet

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/memory"
)

// declare tells a person who runs the program as it is how to run it.
func declare(info Info) {
	if !testing.Testing() {
		fmt.Fprintf(os.Stderr, "%s is an action: run it with `keynet-inference run main.go`\n", info.Name)
	}
}

// hostOf returns the host of a call: the one that a test put into its context.
func hostOf(ctx context.Context) (host.Host, error) {
	if found, ok := memory.HostOf(ctx); ok {
		return found, nil
	}
	return nil, Errorf(ErrUnavailable, "there is no host here: pass the context of a keynettest.Environment")
}

func newTensor(dataType uint8, shape []int64, data []byte) (host.Tensor, *host.Failure) {
	return memory.NewTensor(dataType, shape, data)
}
