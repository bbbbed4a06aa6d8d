// Package memory is where the code of an action finds its host in a test.
package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// Invalid is the kind of a wrong argument, by its number in the contract.
const Invalid = 0

type key struct{}

// WithHost returns a context whose calls go to the host.
func WithHost(ctx context.Context, on host.Host) context.Context {
	return context.WithValue(ctx, key{}, on)
}

// HostOf returns the host of a context.
func HostOf(ctx context.Context) (host.Host, bool) {
	found, ok := ctx.Value(key{}).(host.Host)
	return found, ok
}

// sizes are the bytes of an element, by the data type's number in the contract; 0 for BYTES.
var sizes = [...]int64{1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 0}

// Tensor is an array in memory.
type Tensor struct {
	dataType uint8
	shape    []int64
	data     []byte
}

// NewTensor copies data into a tensor, with the checks of the host.
func NewTensor(dataType uint8, shape []int64, data []byte) (host.Tensor, *host.Failure) {
	elements := int64(1)
	for _, size := range shape {
		if size < 0 {
			return nil, refuse("the shape %v has a negative dimension", shape)
		}
		elements *= size
	}
	if size := sizes[dataType]; size > 0 {
		if elements*size != int64(len(data)) {
			return nil, refuse("%d bytes do not fill the shape %v, which takes %d", len(data), shape, elements*size)
		}
	} else if found := count(data); found != elements {
		return nil, refuse("%d elements do not fill the shape %v, which has %d", found, shape, elements)
	}
	return Tensor{dataType, slices.Clone(shape), slices.Clone(data)}, nil
}

func refuse(format string, args ...any) *host.Failure {
	return &host.Failure{Kind: Invalid, Message: fmt.Sprintf(format, args...)}
}

// count returns the number of elements of BYTES.
func count(data []byte) int64 {
	elements := int64(0)
	for len(data) >= 4 {
		end := 4 + uint64(binary.LittleEndian.Uint32(data))
		data = data[min(end, uint64(len(data))):]
		elements++
	}
	return elements
}

// DataType implements [host.Tensor], as do the others.
func (t Tensor) DataType() uint8    { return t.dataType }
func (t Tensor) Shape() []int64     { return slices.Clone(t.shape) }
func (t Tensor) ByteLength() uint64 { return uint64(len(t.data)) }
func (t Tensor) Data() []byte       { return slices.Clone(t.data) }
func (t Tensor) Drop()              {}

func (t Tensor) Read(offset, length uint64) []byte {
	return slices.Clone(Part(t.data, offset, length))
}

// Part returns the bytes from offset on, at most length of them.
func Part(data []byte, offset, length uint64) []byte {
	start := min(offset, uint64(len(data)))
	return data[start : start+min(length, uint64(len(data))-start)]
}
