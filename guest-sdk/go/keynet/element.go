package keynet

import (
	"fmt"
	"math"
)

// A DataType is the type of a tensor's elements, by Triton's name.
type DataType string

// The data types.
const (
	Bool   DataType = "BOOL"
	Uint8  DataType = "UINT8"
	Uint16 DataType = "UINT16"
	Uint32 DataType = "UINT32"
	Uint64 DataType = "UINT64"
	Int8   DataType = "INT8"
	Int16  DataType = "INT16"
	Int32  DataType = "INT32"
	Int64  DataType = "INT64"
	FP16   DataType = "FP16"
	BF16   DataType = "BF16"
	FP32   DataType = "FP32"
	FP64   DataType = "FP64"
	Bytes  DataType = "BYTES"
)

// dataTypes are the data types by their numbers in the contract, with the bytes of an element.
var dataTypes = [...]struct {
	name DataType
	size int
}{
	{Bool, 1}, {Uint8, 1}, {Uint16, 2}, {Uint32, 4}, {Uint64, 8},
	{Int8, 1}, {Int16, 2}, {Int32, 4}, {Int64, 8},
	{FP16, 2}, {BF16, 2}, {FP32, 4}, {FP64, 8}, {Bytes, 0},
}

// number returns the data type's number in the contract.
func (d DataType) number() (uint8, error) {
	for number, known := range dataTypes {
		if known.name == d {
			return uint8(number), nil
		}
	}
	return 0, Errorf(ErrInvalid, "%q is no data type", string(d))
}

// Size returns the bytes of one element; 0 for [Bytes], whose elements are of any length.
func (d DataType) Size() int {
	for _, known := range dataTypes {
		if known.name == d {
			return known.size
		}
	}
	return 0
}

// An Element is an element of a tensor; string and []byte are elements of [Bytes].
type Element interface {
	bool | uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 |
		Float16 | BFloat16 | float32 | float64 | string | []byte
}

// dataTypeOf returns the data type of elements of the type T.
func dataTypeOf[T Element]() DataType {
	var zero T
	switch any(zero).(type) {
	case bool:
		return Bool
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case Float16:
		return FP16
	case BFloat16:
		return BF16
	case float32:
		return FP32
	case float64:
		return FP64
	}
	return Bytes
}

// A Float16 is a number of half precision, as IEEE 754 has its bits.
type Float16 uint16

// NewFloat16 returns the nearest number of half precision; of two that are as near, the even one.
func NewFloat16(value float32) Float16 {
	bits := math.Float32bits(value)
	sign := uint16(bits>>16) & 0x8000
	exponent := int(bits>>23&0xff) - 127
	fraction := bits & 0x7fffff
	switch {
	case exponent == 128 && fraction != 0:
		return Float16(sign | 0x7e00 | uint16(fraction>>13))
	case exponent > 15:
		return Float16(sign | 0x7c00)
	case exponent >= -14:
		return Float16(sign | uint16(roundToEven(uint32(exponent+15)<<23|fraction, 13)))
	case exponent >= -25:
		return Float16(sign | uint16(roundToEven(fraction|0x800000, uint(-exponent-1))))
	}
	return Float16(sign)
}

// roundToEven drops the lowest bits of a number and rounds what is left.
func roundToEven(bits uint32, drop uint) uint32 {
	half := uint32(1) << (drop - 1)
	kept, rest := bits>>drop, bits&(half<<1-1)
	if rest > half || rest == half && kept&1 == 1 {
		kept++
	}
	return kept
}

// Float32 returns the number in single precision, which has them all.
func (f Float16) Float32() float32 {
	sign := uint32(f&0x8000) << 16
	exponent := uint32(f >> 10 & 0x1f)
	fraction := uint32(f & 0x3ff)
	switch exponent {
	case 0:
		value := float32(fraction) * (1.0 / (1 << 24))
		if sign != 0 {
			value = -value
		}
		return value
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// String returns the number in decimal digits.
func (f Float16) String() string { return fmt.Sprint(f.Float32()) }

// A BFloat16 is the upper half of a number of single precision.
type BFloat16 uint16

// NewBFloat16 returns the nearest bfloat16; of two that are as near, the even one.
func NewBFloat16(value float32) BFloat16 {
	bits := math.Float32bits(value)
	if value != value {
		return BFloat16(bits>>16 | 0x40) // stays no number
	}
	return BFloat16(roundToEven(bits, 16))
}

// Float32 returns the number in single precision, which has them all.
func (f BFloat16) Float32() float32 { return math.Float32frombits(uint32(f) << 16) }

// String returns the number in decimal digits.
func (f BFloat16) String() string { return fmt.Sprint(f.Float32()) }
