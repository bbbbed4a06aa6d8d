package main

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynettest"
)

// gradient is red to the right, green downwards.
func gradient(width, height int) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			picture.SetRGBA(x, y, color.RGBA{uint8(255 * x / (width - 1)), uint8(255 * y / (height - 1)), 0, 255})
		}
	}
	return picture
}

func pngFile(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func jpegFile(t *testing.T, picture image.Image, exif string) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := jpeg.Encode(&file, picture, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	if exif == "" {
		return file.Bytes()
	}
	segment := "\xff\xe1\x00" + string(rune(len(exif)+8)) + "Exif\x00\x00" + exif
	return bytes.Join([][]byte{file.Bytes()[:2], []byte(segment), file.Bytes()[2:]}, nil)
}

// environment has a detector that finds a mug in the left half of any picture, and less surely a fish
// in the whole.
func environment(t *testing.T, params map[string]any) *keynettest.Environment {
	answer := func(inputs keynet.Tensors) (keynet.Tensors, error) {
		input := inputs["input_0"]
		if input.String() != "FP32[1 3 640 640]" {
			t.Errorf("got %v", input)
		}
		rows, err := keynet.NewTensor([]int{1, 3, 6}, []float32{
			0, 0, 640, 640, 0.6, 3, 0, 0, 320, 640, 0.93214, 5, 0, 0, 0, 0, 0, 0,
		})
		return keynet.Tensors{"output_0": rows}, err
	}
	return &keynettest.Environment{
		Params:  params,
		Objects: map[string][]byte{"cups.png": pngFile(t, gradient(320, 200)), "note.txt": []byte("no picture")},
		Models:  map[string]keynettest.Model{"detector": {Answer: answer}},
	}
}

func TestItFindsAndDraws(t *testing.T) {
	env := environment(t, map[string]any{"image_url": "cups.png"})
	result, err := keynettest.Run(t.Context(), env, detect)
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{"label": "mug", "score": 0.932, "box": []any{0.0, 0.0, 160.0, 200.0}},
		map[string]any{"label": "fish", "score": 0.6, "box": []any{0.0, 0.0, 320.0, 200.0}},
	}
	if got := result.(map[string]any)["detections"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	written := env.Written()
	drawn, err := png.Decode(bytes.NewReader(written[0].Data))
	if err != nil || len(written) != 1 || written[0].ContentType != "image/png" {
		t.Fatalf("got %v, %v", written, err)
	}
	for _, at := range []image.Point{{0, 100}, {159, 100}, {80, 199}} {
		if got := color.RGBAModel.Convert(drawn.At(at.X, at.Y)); got != colours[5] {
			t.Errorf("%v has %v", at, got)
		}
	}
}

func TestMistakesAreTheCallers(t *testing.T) {
	cut := pngFile(t, gradient(40, 30))[:60]
	for text, params := range map[string]map[string]any{
		"must be from 0 to 1":       {"image_url": "cups.png", "threshold": 1.5},
		"neither a PNG nor a JPEG":  {"image_url": "note.txt"},
		"cannot decode the picture": {"image_url": "cut.png"},
	} {
		env := environment(t, params)
		env.Objects["cut.png"] = cut
		_, err := keynettest.Run(t.Context(), env, detect)
		if !errors.Is(err, keynet.ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	}
}

func TestAPhotographTakenSidewaysStandsUpright(t *testing.T) {
	for _, exif := range []string{
		"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00",
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00",
	} {
		turned, err := decode(jpegFile(t, gradient(40, 30), exif))
		if err != nil || turned.Bounds().Size() != image.Pt(30, 40) {
			t.Fatalf("got %v, %v", turned.Bounds(), err)
		}
		// A quarter turn clockwise: red, which grew to the right, grows downwards.
		if top, bottom := turned.RGBAAt(15, 2).R, turned.RGBAAt(15, 37).R; top > 40 || bottom < 215 {
			t.Errorf("got %d and %d", top, bottom)
		}
	}
	for _, nonsense := range []string{"II*", "II*\x00\xff\xff\xff\xff", strings.Repeat("\x00", 40)} {
		if picture, err := decode(jpegFile(t, gradient(40, 30), nonsense)); err != nil || picture.Bounds().Dx() != 40 {
			t.Errorf("got %v", err)
		}
	}
}

func TestThePlanesAreThePictureAsASquare(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {640, 640}, {1280, 321}, {40, 2000}} {
		picture := image.NewRGBA(image.Rect(0, 0, size.X, size.Y))
		fill(picture, picture.Bounds(), color.RGBA{255, 51, 0, 255})
		input := planes(picture)
		for plane, want := range []float64{1, 0.2, 0} {
			for at, got := range input[plane*side*side : (plane+1)*side*side] {
				if math.Abs(float64(got)-want) > 1e-5 {
					t.Fatalf("%v: plane %d has %g at %d", size, plane, got, at)
				}
			}
		}
	}
	if left, right := planes(gradient(320, 200))[0], planes(gradient(320, 200))[side-1]; left > 0.01 || right < 0.99 {
		t.Errorf("got %g and %g", left, right)
	}
}

func TestAnotherModelsAnswerIsAnError(t *testing.T) {
	for text, rows := range map[string][]float32{
		"1 are left over": make([]float32, 7), "class 80": {0, 0, 9, 9, 0.9, 80},
	} {
		if _, err := fromRows(rows, 0.5, image.Pt(640, 640)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v", err)
		}
	}
	nan := float32(math.NaN())
	rows := []float32{1, 1, 9, 9, nan, 0, 9, 9, 9, 9, 0.9, 0, 0, 0, nan, 9, 0.9, 0}
	if found, err := fromRows(rows, 0, image.Pt(640, 640)); err != nil || len(found) != 0 {
		t.Errorf("got %v, %v", found, err)
	}
}
