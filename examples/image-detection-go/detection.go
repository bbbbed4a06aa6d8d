package main

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
)

// labels are the classes of the model, in its order.
var labels = [...]string{"apple", "car", "clock", "fish", "house", "mug", "sailboat", "umbrella"}

// Detection is a thing in the picture.
type Detection struct {
	Label string `json:"label"`
	// Score is how sure the model is, in 0..1, to three decimals.
	Score float64 `json:"score"`
	// Box is left, top, right and bottom in pixels of the picture, to a tenth.
	Box [4]float64 `json:"box"`

	class int
}

// fromRows returns the detections of the model's rows (x1, y1, x2, y2 in pixels of its input, score,
// class), best first. Rows that the model does not use have the score 0.
func fromRows(rows []float32, threshold float64, size image.Point) ([]Detection, error) {
	if len(rows)%6 != 0 {
		return nil, fmt.Errorf("the model's output is not rows of 6 values: %d are left over", len(rows)%6)
	}
	found := []Detection{}
	for row := range slices.Chunk(rows, 6) {
		score, class := float64(row[4]), int(row[5])
		if !(score > 0 && score >= threshold) {
			continue
		}
		if class < 0 || class >= len(labels) {
			return nil, fmt.Errorf("the model has a class %d, but the labels end before it", class)
		}
		box := [4]float64{
			scaled(row[0], size.X), scaled(row[1], size.Y), scaled(row[2], size.X), scaled(row[3], size.Y),
		}
		if box[0] < box[2] && box[1] < box[3] {
			found = append(found, Detection{labels[class], math.Round(score*1000) / 1000, box, class})
		}
	}
	slices.SortStableFunc(found, func(a, b Detection) int { return cmp.Compare(b.Score, a.Score) })
	return found, nil
}

// scaled returns a position in the picture, inside it, of one in the model's input.
func scaled(position float32, length int) float64 {
	inside := min(max(float64(position)/side*float64(length), 0), float64(length))
	return math.Round(inside*10) / 10
}
