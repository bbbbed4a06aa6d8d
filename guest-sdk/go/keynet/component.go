//go:build wasip1

package keynet

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/exports/export_keynet_inference_function"
	_ "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/exports/wit_exports"
	abi "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_types"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/types"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/component"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"

	_ "unsafe" // for the name of main
)

// programMain is the program's main, which Go does not run in a library; a component is one.
//
//go:linkname programMain main.main
func programMain()

// deadlineVariable has the activation's deadline, in milliseconds since 1970.
const deadlineVariable = "__OW_DEADLINE"

func init() {
	export_keynet_inference_function.Describe = describe
	export_keynet_inference_function.Run = run
	startLogging()
}

// declare does nothing here: the host asks for the declaration.
func declare(Info) {}

// hostOf returns the host of a call.
func hostOf(context.Context) (host.Host, error) { return component.Host{}, nil }

func newTensor(dataType uint8, shape []int64, data []byte) (host.Tensor, *host.Failure) {
	return component.NewTensor(dataType, shape, data)
}

// theAction returns what main declares.
func theAction() (*action, error) {
	if declared == nil {
		programMain()
	}
	if declared == nil {
		return nil, Errorf(ErrInternal, "the program declares no action: call keynet.Function in its main")
	}
	return declared, nil
}

func describe() export_keynet_inference_function.FunctionInfo {
	action, err := theAction()
	if err != nil {
		panic(err)
	}
	info := export_keynet_inference_function.FunctionInfo{
		Name:        action.info.Name,
		Description: action.info.Description,
		InputSchema: wit_types.None[string](),
	}
	if action.schema != nil {
		info.InputSchema = wit_types.Some(string(action.schema))
	}
	return info
}

func run(args string) wit_types.Result[string, abi.Error] {
	component.Begin()
	text, err := guarded(func() (string, error) {
		action, err := theAction()
		if err != nil {
			return "", err
		}
		ctx, cancel := activation()
		defer cancel()
		return action.run(ctx, args)
	})
	if err != nil {
		return wit_types.Err[string](abi.Error{Kind: KindOf(err).number(), Message: err.Error()})
	}
	return wit_types.Ok[string, abi.Error](text)
}

// activation returns the context of this activation, which ends at its deadline if there is one.
func activation() (context.Context, context.CancelFunc) {
	deadline, err := strconv.ParseInt(os.Getenv(deadlineVariable), 10, 64)
	if err != nil {
		return context.WithCancel(context.Background())
	}
	return context.WithDeadline(context.Background(), time.UnixMilli(deadline))
}
