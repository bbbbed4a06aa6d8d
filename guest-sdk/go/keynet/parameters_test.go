package keynet

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type point struct {
	X, Y float64
}

type common struct {
	Limit uint8 `json:"limit,omitempty" description:"The most."`
}

type everything struct {
	common
	Name    string         `json:"name" doc:"Who."`
	Word    string         `json:"word" default:"Hello" enum:"Hello,Bye"`
	Share   float64        `json:"share" default:"0.5"`
	Count   *int64         `json:"count"`
	Draw    bool           `json:"draw,omitzero"`
	Points  []point        `json:"points,omitempty"`
	Labels  map[string]int `json:"labels,omitempty"`
	Since   *time.Time     `json:"since"`
	Data    []byte         `json:"data,omitempty"`
	Any     any            `json:"any,omitempty"`
	Hidden  string         `json:"-"`
	private int
}

func read(t *testing.T, text string) (everything, error) {
	t.Helper()
	var args everything
	err := parametersOf(reflect.TypeFor[everything]()).read(text, &args)
	if err != nil && KindOf(err) != ErrInvalid {
		t.Errorf("%v is of the kind %s", err, KindOf(err))
	}
	return args, err
}

func TestParametersAreReadIntoTheirFields(t *testing.T) {
	got, err := read(t, `{"name": "Ada", "limit": 255, "count": -9223372036854775808, "draw": true,
		"points": [{"X": 1, "Y": 2e300}], "labels": {"a": 1}, "since": "2026-01-31T12:00:00Z",
		"data": "AQI=", "any": [1], "Hidden": "x", "private": 3, "unknown": {}}`)
	if err != nil {
		t.Fatal(err)
	}
	count, since := int64(math.MinInt64), time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	want := everything{
		common: common{Limit: 255}, Name: "Ada", Word: "Hello", Share: 0.5, Count: &count, Draw: true,
		Points: []point{{1, 2e300}}, Labels: map[string]int{"a": 1}, Since: &since, Data: []byte{1, 2},
		Any: []any{json.Number("1")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNullIsAsIfItWasNotSent(t *testing.T) {
	got, err := read(t, `{"name": "Ada", "share": null, "count": null, "points": null}`)
	if err != nil || got.Share != 0.5 || got.Count != nil || got.Points != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMistakesNameTheParameterWhatWasExpectedAndWhatCame(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                           "the parameter `name` is missing: expected a string, \"Who.\"",
		`{"Name": "Ada"}`:              "the parameter `name` is missing: expected a string, \"Who.\"",
		`{"name": null}`:               "the parameter `name`: expected a string, came null",
		`{"name": 7}`:                  "the parameter `name`: expected a string, came number `7`",
		`{"name": "", "share": "1"}`:   "the parameter `share`: expected a number, came string \"1\"",
		`{"name": "", "count": 1.5}`:   "the parameter `count`: expected a whole number, came number `1.5`",
		`{"name": "", "limit": 256}`:   "the parameter `limit`: expected a whole number from 0 to 255, came number `256`",
		`{"name": "", "draw": []}`:     "the parameter `draw`: expected true or false, came an array",
		`{"name": "", "word": "Hi"}`:   "the parameter `word`: expected one of Hello, Bye, came string \"Hi\"",
		`{"name": "", "points": {}}`:   "the parameter `points`: expected an array, came an object",
		`{"name": "", "points": [7]}`:  "the parameter `points[0]`: expected an object, came number `7`",
		`{"name": "", "points": [{}]}`: "the parameter `points[0].X` is missing: expected a number",
		`{"name": "", "labels": {"a": true}}`: "the parameter `labels.a`: expected a whole number, " +
			"came boolean `true`",
		`[1, 2]`: "the parameters: expected an object, came an array",
	} {
		if _, err := read(t, text); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func TestAWebActionsQueryHasNumbersAndBooleans(t *testing.T) {
	got, err := read(t, `{"name": "7", "share": " 0.25 ", "count": "-12", "draw": "TRUE", "limit": "9",
		"__ow_method": "get"}`)
	if err != nil || got.Name != "7" || got.Share != 0.25 || *got.Count != -12 || !got.Draw || got.Limit != 9 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"high", "inf", "nan", ""} {
		_, err := read(t, `{"name": "", "share": "`+text+`", "__ow_method": "get"}`)
		want := "the parameter `share`: expected a number, came string \"" + text + `"`
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTheSchemaDescribesTheParameters(t *testing.T) {
	var got map[string]any
	text := parametersOf(reflect.TypeFor[everything]()).schemaText()
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	_ = json.Unmarshal([]byte(`{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object",
		"required": ["name"],
		"properties": {
			"limit": {"type": "integer", "minimum": 0, "description": "The most."},
			"name": {"type": "string", "description": "Who."},
			"word": {"type": "string", "default": "Hello", "enum": ["Hello", "Bye"]},
			"share": {"type": "number", "default": 0.5},
			"count": {"type": ["integer", "null"]},
			"draw": {"type": "boolean"},
			"points": {"type": "array", "items": {
				"type": "object", "required": ["X", "Y"],
				"properties": {"X": {"type": "number"}, "Y": {"type": "number"}}}},
			"labels": {"type": "object", "additionalProperties": {"type": "integer"}},
			"since": {"type": ["string", "null"], "format": "date-time"},
			"data": {"type": "string", "contentEncoding": "base64"},
			"any": {}
		}
	}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", text)
	}
	if text := parametersOf(reflect.TypeFor[map[string]any]()).schemaText(); text != nil {
		t.Errorf("a map describes nothing, got %s", text)
	}
}

func TestATypeWithinItselfIsDescribedOnce(t *testing.T) {
	type node struct {
		Next *node `json:"next"`
	}
	text := string(parametersOf(reflect.TypeFor[node]()).schemaText())
	if !strings.Contains(text, `"next":{"type":["object","null"]}`) {
		t.Errorf("got %s", text)
	}
}

func TestADefaultThatIsNoValueOfItsFieldIsToldAtOnce(t *testing.T) {
	defer func() {
		if told := recover(); told == nil || !strings.Contains(told.(string), "share") {
			t.Errorf("got %v", told)
		}
	}()
	parametersOf(reflect.TypeFor[struct {
		Share float64 `json:"share" default:"half"`
	}]())
}
