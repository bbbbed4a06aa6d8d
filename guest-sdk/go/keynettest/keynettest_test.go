package keynettest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/keynet/keynet-inference/guest-sdk/go/keynet"
	"github.com/keynet/keynet-inference/guest-sdk/go/keynettest"
)

// double is a model.
func double(inputs keynet.Tensors) (keynet.Tensors, error) {
	values, err := keynet.Elements[float32](inputs["in"])
	if err != nil {
		return nil, err
	}
	for i := range values {
		values[i] *= 2
	}
	out, err := keynet.NewTensor(inputs["in"].Shape(), values)
	return keynet.Tensors{"out": out}, err
}

func tensor[T keynet.Element](t *testing.T, shape []int, data []T) *keynet.Tensor {
	t.Helper()
	made, err := keynet.NewTensor(shape, data)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAFunctionMeetsParametersObjectsAndModels(t *testing.T) {
	type args struct {
		Image string `json:"image"`
	}
	function := func(ctx context.Context, args args) (any, error) {
		picture, err := keynet.Storage{}.Get(ctx, args.Image)
		if err != nil {
			return nil, err
		}
		share, err := keynet.UserInputOr(ctx, "share", 0.5)
		if err != nil {
			return nil, err
		}
		outputs, err := keynet.Triton{}.Predict(ctx, keynet.Tensors{"in": tensor(t, []int{1}, []float32{float32(len(picture))})})
		if err != nil {
			return nil, err
		}
		values, err := keynet.Elements[float32](outputs["out"])
		return map[string]any{"out": values, "share": share}, err
	}
	env := keynettest.Environment{
		Params:  map[string]any{"image": "cat.png"},
		Objects: map[string][]byte{"cat.png": {1, 2, 3}},
		Models:  map[string]keynettest.Model{"double": {Answer: double}},
	}
	result, err := keynettest.Run(t.Context(), &env, function)
	want := map[string]any{"out": []any{6.0}, "share": 0.5}
	if err != nil || !reflect.DeepEqual(result, want) {
		t.Errorf("got %v, %v, want %v", result, err, want)
	}
	env.Params["image"] = "dog.png"
	if _, err := keynettest.Run(t.Context(), &env, function); !errors.Is(err, keynet.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAnEnvironmentACallSaysWhatIsMissing(t *testing.T) {
	_, err := keynet.Storage{}.Get(t.Context(), "x")
	if !errors.Is(err, keynet.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestParametersKeepTheirDigits(t *testing.T) {
	env := keynettest.Environment{Params: map[string]any{
		"end": json.RawMessage("18446744073709551615"), "text": "한", "none": nil, "list": []int{1},
	}}
	ctx := env.Context(t.Context())
	all, err := keynet.UserInputs(ctx)
	if err != nil || all["end"] != json.Number("18446744073709551615") || all["text"] != "한" {
		t.Errorf("got %v, %v", all, err)
	}
	if end, err := keynet.UserInput[uint64](ctx, "end"); err != nil || end != 1<<64-1 {
		t.Errorf("got %d, %v", end, err)
	}
	if fallback, err := keynet.UserInputOr(ctx, "none", 7); err != nil || fallback != 7 {
		t.Errorf("got %d, %v", fallback, err)
	}
	if list, err := keynet.UserInput[[]int](ctx, "list"); err != nil || !slices.Equal(list, []int{1}) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, name := range []string{"missing", "none", "text"} {
		if _, err := keynet.UserInput[int](ctx, name); !errors.Is(err, keynet.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTensorsHoldTheirElements(t *testing.T) {
	if got, err := keynet.Elements[string](tensor(t, []int{2}, []string{"", "안녕 \x00"})); err != nil || !slices.Equal(got, []string{"", "안녕 \x00"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := keynet.Elements[bool](tensor(t, []int{2}, []bool{true, false})); err != nil || !slices.Equal(got, []bool{true, false}) {
		t.Errorf("got %v, %v", got, err)
	}
	numbers := tensor(t, []int{2, 3}, []int64{-1 << 63, 2, 3, 4, 5, 1<<63 - 1})
	if got, err := keynet.ElementsAt[int64](numbers, 4, 6); err != nil || !slices.Equal(got, []int64{5, 1<<63 - 1}) {
		t.Errorf("got %v, %v", got, err)
	}
	part := make([]byte, 16)
	if n, err := numbers.ReadAt(part, 40); n != 8 || err != io.EOF {
		t.Errorf("got %d, %v", n, err)
	}
	if numbers.Len() != 6 || numbers.Size() != 48 || numbers.DataType() != keynet.Int64 || numbers.String() != "INT64[2 3]" {
		t.Errorf("got %v of %d", numbers, numbers.Len())
	}
	scalar := tensor(t, nil, []keynet.Float16{keynet.NewFloat16(0.5)})
	if scalar.Len() != 1 || len(scalar.Shape()) != 0 {
		t.Errorf("got %v", scalar)
	}
	closed := tensor(t, []int{1}, []int64{1})
	if err := errors.Join(closed.Close(), closed.Close()); err != nil || closed.Raw() != nil || closed.Size() != 0 {
		t.Errorf("got %v", err)
	}
	for name, err := range map[string]error{
		"closed":        second(keynet.Elements[int64](closed)),
		"a closed part": second(closed.ReadAt(nil, 0)),
		"another type":  second(keynet.Elements[int32](numbers)),
		"no tensor":     second(keynet.Elements[int32](nil)),
		"outside":       second(keynet.ElementsAt[int64](numbers, 5, 7)),
		"too little":    second(keynet.NewTensor([]int{3}, []uint8{1})),
		"too few":       second(keynet.NewTensor([]int{3}, []string{"a"})),
		"negative":      second(keynet.NewTensor([]int{-1}, []uint8{})),
		"no type":       second(keynet.NewRawTensor("FP8", []int{1}, []byte{1})),
	} {
		if !errors.Is(err, keynet.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestModelsAnswerOnceManyAtOnceAndInStreams(t *testing.T) {
	count := func(keynet.Tensors) iter.Seq2[keynet.Tensors, error] {
		return func(yield func(keynet.Tensors, error) bool) {
			for i := range int32(3) {
				if !yield(keynet.Tensors{"n": tensor(t, []int{1}, []int32{i})}, nil) {
					return
				}
			}
			yield(nil, keynet.Errorf(keynet.ErrTimeout, "too slow"))
		}
	}
	info := keynet.ModelMetadata{Name: "double", Versions: []string{"1"}, Platform: "python",
		Inputs: []keynet.TensorInfo{{Name: "in", DataType: keynet.FP32, Shape: []int{-1}}}, Outputs: []keynet.TensorInfo{}}
	env := keynettest.Environment{
		Models:       map[string]keynettest.Model{"double": {Answer: double, Metadata: info}, "count": {Stream: count}},
		DefaultModel: "double",
	}
	ctx := env.Context(t.Context())
	in := keynet.Tensors{"in": tensor(t, []int{1}, []float32{2})}

	many := keynet.PredictMany(ctx, []keynet.Request{
		{Inputs: in},
		{Triton: keynet.Triton{Model: "models:/double@best"}, Inputs: keynet.Tensors{"in": nil}},
		{Triton: keynet.Triton{Model: "nobody"}, Inputs: in},
		{Triton: keynet.Triton{Outputs: []string{"other"}}, Inputs: in},
	})
	for i, want := range []error{nil, keynet.ErrInvalid, keynet.ErrNotFound, keynet.ErrInvalid} {
		if !errors.Is(many[i].Err, want) || (want == nil) != (many[i].Outputs["out"] != nil) {
			t.Errorf("%d: got %v, want %v", i, many[i], want)
		}
	}
	if all := keynet.PredictMany(ctx, make([]keynet.Request, 257)); !errors.Is(all[256].Err, keynet.ErrTooLarge) {
		t.Errorf("got %v", all[256].Err)
	}

	got := []string{}
	for outputs, err := range (keynet.Triton{Model: "count"}).PredictStream(ctx, nil) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		n, _ := keynet.Elements[int32](outputs["n"])
		got = append(got, fmt.Sprint(n))
	}
	if want := []string{"[0]", "[1]", "[2]", "too slow"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range (keynet.Triton{Model: "count"}).PredictStream(ctx, nil) {
		break
	}

	if metadata, err := (keynet.Triton{}).Metadata(ctx); err != nil || !reflect.DeepEqual(metadata, info) {
		t.Errorf("got %+v, %v", metadata, err)
	}
	wrong := keynet.Tensors{"in": tensor(t, []int{1}, []int32{2})}
	if _, err := (keynet.Triton{}).Predict(ctx, wrong); !errors.Is(err, keynet.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := (keynet.Triton{Model: "count"}).Predict(ctx, in); !errors.Is(err, keynet.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestTheContextEndsCalls(t *testing.T) {
	env := keynettest.Environment{Models: map[string]keynettest.Model{"double": {Answer: double}}}
	late, cancel := context.WithTimeout(env.Context(t.Context()), 0)
	defer cancel()
	canceled, cancel := context.WithCancel(env.Context(t.Context()))
	cancel()
	in := keynet.Tensors{"in": tensor(t, []int{1}, []float32{2})}
	if _, err := (keynet.Triton{}).Predict(late, in); !errors.Is(err, keynet.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := (keynet.Triton{}).Predict(canceled, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := (keynet.Storage{}).Get(late, "x"); !errors.Is(err, keynet.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestObjectsAreStoredReadListedAndDeleted(t *testing.T) {
	env := keynettest.Environment{Objects: map[string][]byte{"a/1": []byte("one"), "https://example.com/x": []byte("x")}}
	ctx := env.Context(t.Context())
	var storage keynet.Storage
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	stored, err := storage.Put(ctx, []byte("two"), keynet.PutOptions{Location: "a/2", ContentType: "text/plain"})
	must(err)
	data, err := storage.Get(ctx, stored.URL)
	if err != nil || string(data) != "two" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, changed, err := storage.GetIfChanged(ctx, "a/2", stored.ETag); changed || err != nil {
		t.Errorf("got %t, %v", changed, err)
	}
	if data, changed, err := storage.GetIfChanged(ctx, "a/2", "other"); !changed || err != nil || string(data) != "two" {
		t.Errorf("got %q, %t, %v", data, changed, err)
	}
	for _, condition := range []keynet.PutOptions{{Location: "a/2", IfAbsent: true}, {Location: "a/2", IfMatch: "other"}} {
		if _, err := storage.Put(ctx, nil, condition); !errors.Is(err, keynet.ErrPreconditionFailed) {
			t.Errorf("got %v", err)
		}
	}

	object, err := storage.Open(ctx, "a/2")
	must(err)
	middle, err := io.ReadAll(io.NewSectionReader(object, 1, 2))
	if err != nil || string(middle) != "wo" || object.ContentType() != "text/plain" || object.Size() != 3 {
		t.Errorf("got %q, %v", middle, err)
	}
	if bytes, err := object.Tensor(keynet.Uint8, []int{3}); err != nil || string(bytes.Raw()) != "two" {
		t.Errorf("got %v, %v", bytes, err)
	}
	_, err = storage.Put(ctx, []byte("new"), keynet.PutOptions{Location: "a/2", IfMatch: object.ETag()})
	must(err)
	if _, err := object.ReadAt(make([]byte, 1), 0); !errors.Is(err, keynet.ErrPreconditionFailed) {
		t.Errorf("got %v", err)
	}
	must(object.Close())
	must(object.Close())
	if _, err := object.ReadAt(make([]byte, 1), 0); !errors.Is(err, keynet.ErrInvalid) {
		t.Errorf("got %v", err)
	}

	upload, err := storage.Upload(ctx, keynet.PutOptions{})
	must(err)
	for range 3 {
		if n, err := upload.Write(make([]byte, 200<<10)); n != 200<<10 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	}
	large, err := upload.Finish()
	must(err)
	must(upload.Abort())
	if info, err := storage.Head(ctx, large.Location); err != nil || info.Size != 600<<10 {
		t.Errorf("got %+v, %v", info, err)
	}
	_, err = storage.PutTensor(ctx, tensor(t, []int{1}, []int16{258}), keynet.PutOptions{Location: "a/3"})
	must(err)

	listed := []string{}
	for info, err := range storage.List(ctx, "a/") {
		must(err)
		listed = append(listed, info.Location)
	}
	if !slices.Equal(listed, []string{"a/1", "a/2", "a/3"}) {
		t.Errorf("got %q", listed)
	}
	must(storage.Delete(ctx, "a/3"))
	must(storage.Delete(ctx, "a/3"))
	if url, err := storage.Presign(ctx, "a/1", time.Minute); err != nil || url != "https://storage.invalid/a/1" {
		t.Errorf("got %q, %v", url, err)
	}
	if grant, err := storage.PresignPut(ctx, keynet.PutOptions{Location: "a/9"}, 0); err != nil || grant.Location != "a/9" {
		t.Errorf("got %v, %v", grant, err)
	}
	if _, err := storage.Put(ctx, nil, keynet.PutOptions{Location: "https://example.com/x"}); !errors.Is(err, keynet.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	written := env.Written()
	if len(written) != 2 || written[1].Location != "a/2" || string(written[1].Data) != "new" {
		t.Errorf("got %v", written)
	}
}
