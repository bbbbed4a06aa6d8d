package main

import (
	_ "embed"
	"fmt"
	"image"
	"image/color"
	imagedraw "image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// inter has the letters of ASCII and Latin-1; ../image-detection/fonts says where they are from.
//
//go:embed inter-semibold-latin1.otf
var inter []byte

// colours are one for each class.
var colours = [...]color.RGBA{
	{255, 77, 77, 255}, {26, 163, 255, 255}, {255, 204, 0, 255}, {0, 204, 136, 255},
	{204, 102, 255, 255}, {255, 136, 26, 255}, {77, 230, 230, 255}, {255, 102, 178, 255},
}

// draw draws a box and a label for each detection, the best on top. Lines and letters grow with the
// picture.
func draw(picture *image.RGBA, detections []Detection) error {
	size := picture.Bounds().Size()
	short := min(size.X, size.Y)
	height := min(160, max(16, float64(short)/25))
	face, err := faceOfHeight(height)
	if err != nil {
		return err
	}
	defer face.Close()
	for i := range detections {
		frame(picture, detections[len(detections)-1-i], max(2, short/160))
	}
	// After all the frames: no line crosses a letter.
	for i := range detections {
		label(picture, detections[len(detections)-1-i], face, height)
	}
	return nil
}

// faceOfHeight returns the font in the size whose lines are so high, in pixels.
func faceOfHeight(pixels float64) (font.Face, error) {
	parsed, err := opentype.Parse(inter)
	if err != nil {
		return nil, err
	}
	const probe = 1000
	large, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: probe, DPI: 72})
	if err != nil {
		return nil, err
	}
	metrics := large.Metrics()
	lines := float64(metrics.Ascent+metrics.Descent) / 64
	return opentype.NewFace(parsed, &opentype.FaceOptions{Size: pixels * probe / lines, DPI: 72})
}

// frame draws lines of a width just inside the box.
func frame(picture *image.RGBA, detection Detection, width int) {
	box := edges(detection)
	for _, line := range []image.Rectangle{
		image.Rect(box.Min.X, box.Min.Y, box.Max.X, box.Min.Y+width),
		image.Rect(box.Min.X, box.Max.Y-width, box.Max.X, box.Max.Y),
		image.Rect(box.Min.X, box.Min.Y, box.Min.X+width, box.Max.Y),
		image.Rect(box.Max.X-width, box.Min.Y, box.Max.X, box.Max.Y),
	} {
		fill(picture, line, colours[detection.class])
	}
}

// label writes "mug 93%" on a strip of the class's colour: above the box where there is room, else
// inside it.
func label(picture *image.RGBA, detection Detection, face font.Face, size float64) {
	text := fmt.Sprintf("%s %.0f%%", detection.Label, detection.Score*100)
	padding, height := size/4, int(math.Round(size))
	width := int(math.Ceil(float64(font.MeasureString(face, text))/64 + 2*padding))
	corner := edges(detection).Min
	left := max(0, min(corner.X, picture.Bounds().Dx()-width))
	top := corner.Y
	if top >= height {
		top -= height
	}
	colour := colours[detection.class]
	fill(picture, image.Rect(left, top, left+width, top+height), colour)
	ink := color.White
	if 0.299*float64(colour.R)+0.587*float64(colour.G)+0.114*float64(colour.B) > 110 {
		ink = color.Black
	}
	drawer := font.Drawer{
		Dst:  picture,
		Src:  image.NewUniform(ink),
		Face: face,
		Dot: fixed.Point26_6{
			X: fixed.Int26_6(math.Round((float64(left) + padding) * 64)),
			Y: fixed.I(top) + face.Metrics().Ascent,
		},
	}
	drawer.DrawString(text)
}

func edges(detection Detection) image.Rectangle {
	edge := func(i int) int { return int(math.Round(detection.Box[i])) }
	return image.Rect(edge(0), edge(1), edge(2), edge(3))
}

// fill paints a rectangle, as far as it lies in the picture.
func fill(picture *image.RGBA, area image.Rectangle, colour color.Color) {
	imagedraw.Draw(picture, area, image.NewUniform(colour), image.Point{}, imagedraw.Src)
}
