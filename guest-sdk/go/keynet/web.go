package keynet

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// fromText returns the number or boolean that a web action's query sent as text, where the
// parameter's type asks for one; else the value as it is. OpenWhisk sends ?threshold=0.3 as "0.3".
func fromText(value any, kind reflect.Type) any {
	text, ok := value.(string)
	if !ok || readsItself(pointee(kind)) {
		return value
	}
	text = strings.TrimSpace(text)
	switch pointee(kind).Kind() {
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			return json.Number(strconv.FormatInt(number, 10))
		}
		if number, err := strconv.ParseUint(text, 10, 64); err == nil {
			return json.Number(strconv.FormatUint(number, 10))
		}
	case reflect.Float32, reflect.Float64:
		// JSON has neither infinity nor NaN.
		number, err := strconv.ParseFloat(text, 64)
		if err == nil && !math.IsInf(number, 0) && !math.IsNaN(number) {
			return json.Number(strconv.FormatFloat(number, 'g', -1, 64))
		}
	}
	return value
}
