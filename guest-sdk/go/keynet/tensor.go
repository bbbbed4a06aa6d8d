package keynet

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/keynet/keynet-inference/guest-sdk/go/internal/host"
)

// A Tensor is an immutable array, row by row, outside the memory of the action: it can go from
// storage to a model and on to another without passing through the action. The collector gives it
// back; [Tensor.Close] does so at once.
type Tensor struct {
	handle   host.Tensor
	dataType DataType
	shape    []int
}

// Tensors are tensors by name: the inputs or the outputs of a model.
type Tensors map[string]*Tensor

// NewTensor copies data into a tensor whose data type is that of its elements. It is [ErrInvalid] if
// the data does not fill the shape.
func NewTensor[T Element](shape []int, data []T) (*Tensor, error) {
	return NewRawTensor(dataTypeOf[T](), shape, bytesOf(data))
}

// NewRawTensor copies data into a tensor, as Triton writes it: little-endian, each element of [Bytes]
// after its length of 4 bytes.
func NewRawTensor(dataType DataType, shape []int, data []byte) (*Tensor, error) {
	number, err := dataType.number()
	if err != nil {
		return nil, err
	}
	made, failure := newTensor(number, wide(shape), data)
	if failure != nil {
		return nil, failed(failure)
	}
	return &Tensor{handle: made, dataType: dataType, shape: slices.Clone(shape)}, nil
}

// tensorOf returns a tensor that the host gave.
func tensorOf(handle host.Tensor) *Tensor {
	return &Tensor{handle: handle, dataType: dataTypes[handle.DataType()].name, shape: narrow(handle.Shape())}
}

func wide(shape []int) []int64 {
	sizes := make([]int64, len(shape))
	for i, size := range shape {
		sizes[i] = int64(size)
	}
	return sizes
}

func narrow(shape []int64) []int {
	sizes := make([]int, len(shape))
	for i, size := range shape {
		sizes[i] = int(size)
	}
	return sizes
}

// DataType returns the type of the elements.
func (t *Tensor) DataType() DataType { return t.dataType }

// Shape returns the dimensions, outermost first; none for a scalar.
func (t *Tensor) Shape() []int { return slices.Clone(t.shape) }

// Len returns the number of elements.
func (t *Tensor) Len() int {
	elements := 1
	for _, size := range t.shape {
		elements *= size
	}
	return elements
}

// Size returns the size of the data in bytes; 0 once the tensor is closed.
func (t *Tensor) Size() int {
	if t.handle == nil {
		return 0
	}
	return int(t.handle.ByteLength())
}

// Raw returns a copy of the data, as [NewRawTensor] takes it; nil once the tensor is closed.
func (t *Tensor) Raw() []byte {
	if t.handle == nil {
		return nil
	}
	return t.handle.Data()
}

// ReadAt reads a part of the data, for more than fits into the action's memory.
func (t *Tensor) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, Errorf(ErrInvalid, "the offset %d is negative", offset)
	}
	if err := t.usable(); err != nil {
		return 0, err
	}
	n := copy(p, t.handle.Read(uint64(offset), uint64(len(p))))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close gives the memory back. A call with the tensor is [ErrInvalid] from then on.
func (t *Tensor) Close() error {
	if t.handle != nil {
		t.handle.Drop()
		t.handle = nil
	}
	return nil
}

// usable reports, as an error, if there is no tensor or it was closed.
func (t *Tensor) usable() error {
	switch {
	case t == nil:
		return Errorf(ErrInvalid, "there is no tensor: the model has no output of that name")
	case t.handle == nil:
		return Errorf(ErrInvalid, "the tensor %v was closed", t)
	}
	return nil
}

// Elements returns a copy of the elements. It is [ErrInvalid] if they are no T, or if there is no
// tensor, as for an output that the model does not have.
func Elements[T Element](t *Tensor) ([]T, error) {
	if err := holds[T](t); err != nil {
		return nil, err
	}
	return elementsOf[T](t.Raw())
}

// ElementsAt returns a copy of the elements from the one to before the other, counted from 0. Of
// [Bytes] it is [ErrInvalid]: their places are not known.
func ElementsAt[T Element](t *Tensor, from, to int) ([]T, error) {
	if err := holds[T](t); err != nil {
		return nil, err
	}
	size := t.dataType.Size()
	if size == 0 {
		return nil, Errorf(ErrInvalid, "elements of BYTES are read all at once: use Elements")
	}
	if from < 0 || to < from || to > t.Len() {
		return nil, Errorf(ErrInvalid, "the elements %d to %d are not in a tensor of %d", from, to, t.Len())
	}
	return elementsOf[T](t.handle.Read(uint64(from*size), uint64((to-from)*size)))
}

// holds reports, as an error, if the elements of t are no T.
func holds[T Element](t *Tensor) error {
	if err := t.usable(); err != nil {
		return err
	}
	var zero T
	if wanted := dataTypeOf[T](); t.dataType != wanted {
		return Errorf(ErrInvalid, "the tensor holds %s, and %T was asked for, which is %s", t.dataType, zero, wanted)
	}
	return nil
}

// bytesOf returns the data of elements: their own memory where it has the same bits.
func bytesOf[T Element](data []T) []byte {
	switch data := any(data).(type) {
	case []string:
		return packed(data)
	case [][]byte:
		return packed(data)
	}
	var zero T
	if !littleEndian {
		made, _ := binary.Append(nil, binary.LittleEndian, data)
		return made
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(zero)))
}

// elementsOf returns the elements that data holds. The data is the caller's own.
func elementsOf[T Element](data []byte) ([]T, error) {
	var zero T
	switch any(zero).(type) {
	case string:
		return unpacked(data, func(element []byte) T { return any(string(element)).(T) })
	case []byte:
		return unpacked(data, func(element []byte) T { return any(element).(T) })
	}
	size := int(unsafe.Sizeof(zero))
	start := unsafe.Pointer(unsafe.SliceData(data))
	if littleEndian && uintptr(start)%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(start), len(data)/size), nil
	}
	elements := make([]T, len(data)/size)
	_, err := binary.Decode(data, binary.LittleEndian, elements)
	return elements, err
}

// littleEndian reports whether numbers in memory are as in tensors.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// packed writes each element after its length.
func packed[T string | []byte](elements []T) []byte {
	var data []byte
	for _, element := range elements {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(element)))
		data = append(data, element...)
	}
	return data
}

func unpacked[T Element](data []byte, made func([]byte) T) ([]T, error) {
	elements := []T{}
	for len(data) > 0 {
		if len(data) < 4 || uint64(len(data)-4) < uint64(binary.LittleEndian.Uint32(data)) {
			return nil, Errorf(ErrInternal, "the data of a BYTES tensor ends within an element")
		}
		end := 4 + int(binary.LittleEndian.Uint32(data))
		elements = append(elements, made(data[4:end:end]))
		data = data[end:]
	}
	return elements, nil
}

// String describes the tensor without its data.
func (t *Tensor) String() string { return fmt.Sprintf("%s%v", t.dataType, t.shape) }
