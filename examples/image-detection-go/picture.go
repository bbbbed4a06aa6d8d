package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	_ "image/jpeg" // decodes JPEG
	_ "image/png"  // decodes PNG
	"math"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// side is the model's input in pixels: it sees every picture as a square.
const side = 640

// maxPixels is what a decoded picture may have.
const maxPixels = 12_000_000

// decode returns a picture of a PNG or JPEG file as upright RGB; transparency is dropped.
func decode(file []byte) (*image.RGBA, error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(file))
	if err == image.ErrFormat {
		return nil, keynet.Errorf(keynet.ErrInvalid, "the picture is neither a PNG nor a JPEG file")
	}
	if err != nil {
		return nil, keynet.Errorf(keynet.ErrInvalid, "cannot decode the picture: %w", err)
	}
	if config.Width*config.Height > maxPixels {
		return nil, keynet.Errorf(keynet.ErrInvalid, "the picture has %dx%d pixels: at most %d are allowed",
			config.Width, config.Height, maxPixels)
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, keynet.Errorf(keynet.ErrInvalid, "cannot decode the picture: %w", err)
	}
	orientation := 1
	if format == "jpeg" {
		orientation = orientationOf(file)
	}
	return upright(decoded, orientation), nil
}

// upright copies a picture, turned as its EXIF orientation says.
func upright(decoded image.Image, orientation int) *image.RGBA {
	bounds := decoded.Bounds()
	width, height := bounds.Dx(), bounds.Dy()
	turned := image.Rect(0, 0, width, height)
	if orientation >= 5 {
		turned = image.Rect(0, 0, height, width)
	}
	picture := image.NewRGBA(turned)
	at := rgb(decoded)
	for y := range height {
		for x := range width {
			r, g, b := at(x+bounds.Min.X, y+bounds.Min.Y)
			toX, toY := placed(x, y, width, height, orientation)
			pixel := picture.Pix[picture.PixOffset(toX, toY):]
			pixel[0], pixel[1], pixel[2], pixel[3] = r, g, b, 255
		}
	}
	return picture
}

// placed returns where a pixel goes, by the EXIF orientation (1 to 8) of its picture.
func placed(x, y, width, height, orientation int) (int, int) {
	switch orientation {
	case 2:
		return width - 1 - x, y
	case 3:
		return width - 1 - x, height - 1 - y
	case 4:
		return x, height - 1 - y
	case 5:
		return y, x
	case 6:
		return height - 1 - y, x
	case 7:
		return height - 1 - y, width - 1 - x
	case 8:
		return y, width - 1 - x
	}
	return x, y
}

// rgb returns what reads a pixel of a picture, without its transparency.
func rgb(decoded image.Image) func(x, y int) (r, g, b uint8) {
	switch decoded := decoded.(type) {
	case *image.RGBA: // of PNG: without transparency
		return func(x, y int) (r, g, b uint8) {
			pixel := decoded.Pix[decoded.PixOffset(x, y):]
			return pixel[0], pixel[1], pixel[2]
		}
	case *image.NRGBA:
		return func(x, y int) (r, g, b uint8) {
			pixel := decoded.Pix[decoded.PixOffset(x, y):]
			return pixel[0], pixel[1], pixel[2]
		}
	case *image.YCbCr:
		return func(x, y int) (r, g, b uint8) {
			luma, chroma := decoded.YOffset(x, y), decoded.COffset(x, y)
			return color.YCbCrToRGB(decoded.Y[luma], decoded.Cb[chroma], decoded.Cr[chroma])
		}
	case *image.Gray:
		return func(x, y int) (r, g, b uint8) {
			grey := decoded.Pix[decoded.PixOffset(x, y)]
			return grey, grey, grey
		}
	}
	return func(x, y int) (r, g, b uint8) {
		pixel := color.NRGBAModel.Convert(decoded.At(x, y)).(color.NRGBA)
		return pixel.R, pixel.G, pixel.B
	}
}

// orientationOf returns the EXIF orientation (1 to 8) of a JPEG file; 1 where it has none.
//
// EXIF 2.32, sections 4.5 (structure) and 4.6.4 A (tag 0x0112).
func orientationOf(file []byte) int {
	header := []byte("Exif\x00\x00")
	start := bytes.Index(file[:min(len(file), 64<<10)], header)
	if start < 0 {
		return 1
	}
	exif := file[start+len(header):]
	var order binary.ByteOrder = binary.BigEndian
	if bytes.HasPrefix(exif, []byte("II")) {
		order = binary.LittleEndian
	}
	short := func(at uint64) uint16 {
		if at+2 > uint64(len(exif)) {
			return 0
		}
		return order.Uint16(exif[at:])
	}
	if len(exif) < 8 {
		return 1
	}
	directory := uint64(order.Uint32(exif[4:]))
	for entry := range uint64(short(directory)) {
		at := directory + 2 + 12*entry
		if value := short(at + 8); short(at) == 0x0112 && value >= 1 && value <= 8 {
			return int(value)
		}
	}
	return 1
}

// tap is a pixel of a row or a column that counts for one of the smaller picture.
type tap struct {
	from   int
	weight float32
}

// taps returns what each pixel of the smaller side is made of: a triangle, as wide as the pixels that
// it covers, which is bilinear interpolation where the picture grows.
func taps(from int) [side][]tap {
	var all [side][]tap
	scale := float64(from) / side
	support := math.Max(scale, 1)
	for i := range all {
		center := (float64(i) + 0.5) * scale
		first := max(0, int(center-support+0.5))
		last := min(from, int(center+support+0.5))
		total := 0.0
		for at := first; at < last; at++ {
			weight := 1 - math.Abs(float64(at)+0.5-center)/support
			if weight > 0 {
				all[i] = append(all[i], tap{at, float32(weight)})
				total += weight
			}
		}
		for j := range all[i] {
			all[i][j].weight /= float32(total)
		}
	}
	return all
}

// planes returns the model's input: red, green and blue of the picture as a square, in 0..1.
func planes(picture *image.RGBA) []float32 {
	size := picture.Bounds().Size()
	columns, rows := taps(size.X), taps(size.Y)
	input := make([]float32, 3*side*side)
	// A row of the picture is made narrower once, and counts for the rows that it is near.
	narrow := make([]float32, 3*side)
	next := 0
	for y := range size.Y {
		pixels := picture.Pix[y*picture.Stride:]
		for x, taps := range columns {
			var r, g, b float32
			for _, tap := range taps {
				pixel := pixels[4*tap.from : 4*tap.from+3]
				r += tap.weight * float32(pixel[0])
				g += tap.weight * float32(pixel[1])
				b += tap.weight * float32(pixel[2])
			}
			narrow[x], narrow[side+x], narrow[2*side+x] = r, g, b
		}
		for next < side && rows[next][len(rows[next])-1].from < y {
			next++
		}
		for row := next; row < side && rows[row][0].from <= y; row++ {
			weight := rows[row][y-rows[row][0].from].weight / 255
			for plane := range 3 {
				line := input[(plane*side+row)*side:][:side]
				for x, value := range narrow[plane*side:][:side] {
					line[x] += weight * value
				}
			}
		}
	}
	return input
}
