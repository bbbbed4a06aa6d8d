//go:build wasip1

// Package component is the host of an action that runs as a WebAssembly component: the imports of
// the contract, made safe for Go's collector.
package component

import (
	"runtime"
	"runtime/debug"
	"sync"

	models "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_triton_predict"
	abi "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/imports/keynet_inference_types"
	wit "github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/runtime"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/bindings/types"
	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// collection is the percentage with which the collector runs in the action's own code: GOGC, or
// Go's default. Until [Begin] it is off: the host allocates the arguments of the first call.
var collection = debug.SetGCPercent(-1)

// Begin lets the collector run, for the action's function.
func Begin() {
	debug.SetGCPercent(collection)
}

// calls is held during a call to the host.
var calls sync.Mutex

// hurry is how many bytes the host allocates before the collector is asked whether it is time: by
// itself it looks only when the action allocates enough.
const hurry = 1 << 20

// allocated is what the host has allocated since then, and ballast what the collector looks at.
var (
	allocated int
	ballast   []byte
)

// call makes a call to the host with the collector off.
//
// The host allocates a call's results in the action's memory by cabi_realloc, a function of Go. A
// collection that began there would call the clock and the scheduler of WASI, which the component
// model forbids in that moment: a trap. SetGCPercent also waits for a collection that has begun.
// What the host allocated is pinned until it has a reference here.
func call[T any](f func() T) T {
	calls.Lock()
	percent := debug.SetGCPercent(-1)
	defer func() {
		wit.Unpin()
		debug.SetGCPercent(percent)
		calls.Unlock()
	}()
	return f()
}

// collectable counts bytes that the host allocated, and lets the collector begin if it is time.
func collectable(data []byte) []byte {
	allocated += len(data)
	if allocated >= hurry {
		allocated = 0
		// An object of this size is one for which Go looks whether to collect.
		ballast = make([]byte, 33<<10)
	}
	return data
}

// A tensor that nothing refers to is given back when the collector finds it, but the collector knows
// nothing of the memory and the handles of the host. It runs after each of these.
const (
	hurryBytes   = 32 << 20
	hurryHandles = 256
)

// unreleased is what tensors, objects and the like have taken in the host since the collector ran.
var unreleased struct{ bytes, handles uint64 }

// taken counts a resource of the host.
func taken(bytes uint64) {
	unreleased.bytes += bytes
	unreleased.handles++
	if unreleased.bytes >= hurryBytes || unreleased.handles >= hurryHandles {
		release()
	}
}

// release gives back what nothing refers to.
func release() {
	unreleased.bytes, unreleased.handles = 0, 0
	runtime.GC()
	runtime.Gosched() // to the goroutine that drops what was found
}

// makeTensor makes a tensor; again, where there was no room for it, when what nothing refers to was
// given back.
func makeTensor(f func() wit_types.Result[*models.Tensor, abi.Error]) (host.Tensor, *host.Failure) {
	made, failure := fallible(f)
	if failure != nil && failure.Kind == abi.ErrorKind_TooLarge {
		release()
		made, failure = fallible(f)
	}
	if failure != nil {
		return nil, failure
	}
	taken(made.ByteLength())
	return tensor{made}, nil
}

// fallible is a call to the host that can fail.
func fallible[T any](f func() wit_types.Result[T, abi.Error]) (value T, failure *host.Failure) {
	result := call(f)
	if result.IsErr() {
		err := result.Err()
		return value, &host.Failure{Kind: err.Kind, Message: err.Message}
	}
	return result.Ok(), nil
}

func option[T any](value *T) wit_types.Option[T] {
	if value == nil {
		return wit_types.None[T]()
	}
	return wit_types.Some(*value)
}

func pointer[T any](value wit_types.Option[T]) *T {
	if value.IsNone() {
		return nil
	}
	some := value.Some()
	return &some
}
