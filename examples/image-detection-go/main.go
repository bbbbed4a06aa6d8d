// Command image-detection-go finds things in a picture and draws a box around each.
package main

import (
	"bytes"
	"context"
	"image"
	"image/png"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
)

// Args are the parameters.
type Args struct {
	ImageURL  string  `json:"image_url" doc:"The picture, PNG or JPEG: a URL, s3://bucket/key, or a key of the default bucket."`
	Threshold float64 `json:"threshold" doc:"Detections with a lower score are left out; 0 to 1." default:"0.5"`
	Model     string  `json:"model" doc:"The model: detector, or one version of it as detector:3 or models:/detector@champion." default:"detector"`
}

// Output is the result.
type Output struct {
	// URL is the picture with boxes and labels, PNG.
	URL string `json:"url"`
	// Detections are what was found, best first.
	Detections []Detection `json:"detections"`
}

func detect(ctx context.Context, args Args) (Output, error) {
	if args.Threshold < 0 || args.Threshold > 1 {
		return Output{}, keynet.Errorf(keynet.ErrInvalid,
			"`threshold` is %v, but it must be from 0 to 1", args.Threshold)
	}
	file, err := keynet.Storage{}.Get(ctx, args.ImageURL)
	if err != nil {
		return Output{}, err
	}
	picture, err := decode(file)
	if err != nil {
		return Output{}, err
	}
	rows, err := ask(ctx, args.Model, picture)
	if err != nil {
		return Output{}, err
	}
	size := picture.Bounds().Size()
	detections, err := fromRows(rows, args.Threshold, size)
	if err != nil {
		return Output{}, err
	}
	if err := draw(picture, detections); err != nil {
		return Output{}, err
	}
	var drawn bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&drawn, picture); err != nil {
		return Output{}, err
	}
	stored, err := keynet.Storage{}.Put(ctx, drawn.Bytes(), keynet.PutOptions{ContentType: "image/png"})
	return Output{URL: stored.URL, Detections: detections}, err
}

// ask returns the rows that the model finds in a picture.
func ask(ctx context.Context, model string, picture *image.RGBA) ([]float32, error) {
	input, err := keynet.NewTensor([]int{1, 3, side, side}, planes(picture))
	if err != nil {
		return nil, err
	}
	outputs, err := keynet.Triton{Model: model}.Predict(ctx, keynet.Tensors{"input_0": input})
	if err != nil {
		return nil, err
	}
	return keynet.Elements[float32](outputs["output_0"])
}

func main() {
	keynet.Function(keynet.Info{
		Name:        "image-detection-go",
		Description: "Finds things in a picture and draws a box around each.",
	}, detect)
}
