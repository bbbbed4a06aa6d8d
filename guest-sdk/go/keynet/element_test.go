package keynet

import (
	"math"
	"testing"
)

func TestEveryNumberOfHalfPrecisionComesBack(t *testing.T) {
	for bits := range 1 << 16 {
		half := Float16(bits)
		back := NewFloat16(half.Float32())
		isNaN := half&0x7c00 == 0x7c00 && half&0x3ff != 0
		if isNaN != math.IsNaN(float64(half.Float32())) || !isNaN && back != half {
			t.Fatalf("%#04x became %g and %#04x", bits, half.Float32(), back)
		}
	}
	for value, want := range map[float32]float32{
		0.1: 0.0999755859375, 2049: 2048, 2051: 2052, 65519.99: 65504, 65520: float32(math.Inf(1)),
		5.96e-8: 1.0 / (1 << 24), 2.9e-8: 0, 1e-40: 0, -1e9: float32(math.Inf(-1)),
	} {
		if got := NewFloat16(value).Float32(); got != want {
			t.Errorf("%g became %g, want %g", value, got, want)
		}
	}
}

func TestBFloat16IsRoundedToTheNearest(t *testing.T) {
	for value, want := range map[float32]float32{
		3.14159265: 3.140625, 1.00390625: 1, 1.01171875: 1.015625, -2.5: -2.5,
		math.MaxFloat32: float32(math.Inf(1)),
	} {
		if got := NewBFloat16(value).Float32(); got != want {
			t.Errorf("%g became %g, want %g", value, got, want)
		}
	}
	if nan := NewBFloat16(float32(math.NaN())).Float32(); nan == nan {
		t.Errorf("not a number became %g", nan)
	}
}
