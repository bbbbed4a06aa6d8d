package keynet

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// webMethod is the parameter that web actions have and others do not.
const webMethod = "__ow_method"

// parameters is the type of a function's parameters.
type parameters struct {
	kind reflect.Type
	// root is the fields of a struct; nil for a map, which takes anything.
	root []field
}

// field is a parameter, or a field of one.
type field struct {
	name        string
	kind        reflect.Type
	description string
	required    bool
	// preset is the default as JSON; nil for none.
	preset json.RawMessage
	// allowed are the only values, for text; nil for any.
	allowed []string
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType        = reflect.TypeFor[time.Time]()
)

// parametersOf describes the type of a function's parameters.
func parametersOf(kind reflect.Type) *parameters {
	return &parameters{kind: kind, root: fieldsOf(kind)}
}

// fieldsOf returns the fields of a struct that JSON can set, those of embedded structs included;
// nil for anything else.
func fieldsOf(kind reflect.Type) []field {
	kind = pointee(kind)
	if kind.Kind() != reflect.Struct || readsItself(kind) {
		return nil
	}
	fields := []field{}
	for i := range kind.NumField() {
		member := kind.Field(i)
		name, options, _ := strings.Cut(member.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case member.Anonymous && name == "" && pointee(member.Type).Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(member.Type)...)
			continue
		case !member.IsExported():
			continue
		case name == "":
			name = member.Name
		}
		fields = append(fields, fieldOf(name, options, member))
	}
	return fields
}

func fieldOf(name, options string, member reflect.StructField) field {
	made := field{name: name, kind: member.Type, description: member.Tag.Get("doc")}
	if made.description == "" {
		made.description = member.Tag.Get("description")
	}
	if allowed := member.Tag.Get("enum"); allowed != "" {
		made.allowed = strings.Split(allowed, ",")
	}
	if preset, ok := member.Tag.Lookup("default"); ok {
		made.preset = presetOf(name, preset, member.Type)
	}
	optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
	made.required = !optional && made.preset == nil && member.Type.Kind() != reflect.Pointer
	return made
}

// presetOf returns the JSON of a tag default:"…": text stands for itself.
func presetOf(name, preset string, kind reflect.Type) json.RawMessage {
	text := json.RawMessage(preset)
	if pointee(kind).Kind() == reflect.String {
		text, _ = json.Marshal(preset)
	}
	if err := json.Unmarshal(text, reflect.New(kind).Interface()); err != nil {
		panic(fmt.Sprintf("the parameter %s: its default %q is no %v", name, preset, kind))
	}
	return text
}

// read reads the parameters from JSON. Its errors are for the caller: they name the parameter, what
// was expected and what came.
func (p *parameters) read(text string, into any) error {
	value, err := decode(text)
	if err != nil {
		return Errorf(ErrInvalid, "the parameters cannot be read as JSON: %w", err)
	}
	if p.root != nil {
		object, ok := value.(map[string]any)
		if !ok {
			return mistaken("", "an object", value)
		}
		_, isWeb := object[webMethod]
		if value, err = readStruct("", p.root, object, isWeb); err != nil {
			return err
		}
	} else if p.kind.Kind() == reflect.Map {
		if _, ok := value.(map[string]any); !ok {
			return mistaken("", "an object", value)
		}
	}
	return assign("the parameters", value, into)
}

// decode reads JSON without loss: numbers stay text.
func decode(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// assign hands a checked value to encoding/json.
func assign(what string, value, into any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return Errorf(ErrInternal, "%s cannot be written as JSON: %w", what, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return Errorf(ErrInvalid, "%s: %w", what, err)
	}
	return nil
}

// readStruct checks an object against the fields of a struct. It returns the object with defaults,
// and with the numbers and booleans that a web action sent as text.
func readStruct(path string, fields []field, object map[string]any, isWeb bool) (map[string]any, error) {
	read := make(map[string]any, len(fields))
	for _, field := range fields {
		at := join(path, field.name)
		value, sent := object[field.name]
		if !sent || value == nil {
			switch {
			case field.preset != nil:
				read[field.name] = field.preset
				continue
			case !field.required:
				continue
			case !sent:
				return nil, missing(at, field)
			}
		}
		if isWeb {
			value = fromText(value, field.kind)
		}
		checked, err := check(at, field.kind, value)
		if err != nil {
			return nil, err
		}
		if text, ok := checked.(string); ok && field.allowed != nil && !contains(field.allowed, text) {
			return nil, mistaken(at, "one of "+strings.Join(field.allowed, ", "), value)
		}
		read[field.name] = checked
	}
	return read, nil
}

func contains(texts []string, wanted string) bool {
	for _, text := range texts {
		if text == wanted {
			return true
		}
	}
	return false
}

// check compares a value with the type of a parameter, as encoding/json would read it.
func check(path string, kind reflect.Type, value any) (any, error) {
	if kind.Kind() == reflect.Pointer {
		if value == nil {
			return nil, nil
		}
		return check(path, kind.Elem(), value)
	}
	if readsItself(kind) || kind.Kind() == reflect.Interface {
		return value, nil
	}
	wanted := expectation(kind)
	var ok bool
	switch kind.Kind() {
	case reflect.Bool:
		_, ok = value.(bool)
	case reflect.String:
		_, ok = value.(string)
		if number, isNumber := value.(json.Number); isNumber && kind == reflect.TypeFor[json.Number]() {
			return number, nil
		}
	case reflect.Struct:
		if object, isObject := value.(map[string]any); isObject {
			return readStruct(path, fieldsOf(kind), object, false)
		}
	case reflect.Map:
		return checkMap(path, kind, value)
	case reflect.Slice, reflect.Array:
		return checkList(path, kind, value)
	default:
		number, isNumber := value.(json.Number)
		ok = isNumber && json.Unmarshal([]byte(number), reflect.New(kind).Interface()) == nil
	}
	if !ok {
		return nil, mistaken(path, wanted, value)
	}
	return value, nil
}

func checkMap(path string, kind reflect.Type, value any) (any, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, mistaken(path, "an object", value)
	}
	checked := make(map[string]any, len(object))
	for name, member := range object {
		of, err := check(join(path, name), kind.Elem(), member)
		if err != nil {
			return nil, err
		}
		checked[name] = of
	}
	return checked, nil
}

func checkList(path string, kind reflect.Type, value any) (any, error) {
	if _, isText := value.(string); isText && kind.Elem().Kind() == reflect.Uint8 {
		return value, nil // base64, by the rules of encoding/json
	}
	list, ok := value.([]any)
	if !ok {
		return nil, mistaken(path, expectation(kind), value)
	}
	checked := make([]any, len(list))
	for i, element := range list {
		of, err := check(fmt.Sprintf("%s[%d]", path, i), kind.Elem(), element)
		if err != nil {
			return nil, err
		}
		checked[i] = of
	}
	return checked, nil
}

// readsItself reports whether a type reads JSON in its own way.
func readsItself(kind reflect.Type) bool {
	to := reflect.PointerTo(kind)
	return to.Implements(jsonUnmarshaler) || to.Implements(textUnmarshaler)
}

func pointee(kind reflect.Type) reflect.Type {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// mistaken is a value of another type than the parameter's.
func mistaken(path, expected string, value any) error {
	what := "the parameters"
	if path != "" {
		what = fmt.Sprintf("the parameter `%s`", path)
	}
	return Errorf(ErrInvalid, "%s: expected %s, came %s", what, expected, came(value))
}

// missing is a parameter that has to be sent and was not.
func missing(path string, field field) error {
	expected := expectation(field.kind)
	if field.description != "" {
		expected += fmt.Sprintf(", %q", field.description)
	}
	return Errorf(ErrInvalid, "the parameter `%s` is missing: expected %s", path, expected)
}

// expectation returns a person's words for a type.
func expectation(kind reflect.Type) string {
	kind = pointee(kind)
	switch kind.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Int8, reflect.Int16, reflect.Int32:
		end := int64(1) << (kind.Bits() - 1)
		return fmt.Sprintf("a whole number from %d to %d", -end, end-1)
	case reflect.Uint, reflect.Uint64, reflect.Uintptr:
		return "a whole number, 0 or more"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<kind.Bits()-1)
	case reflect.Slice, reflect.Array:
		if kind.Elem().Kind() == reflect.Uint8 {
			return "a string of base64"
		}
		return "an array"
	}
	if kind == timeType {
		return "a time as RFC 3339 has it"
	}
	return "an object"
}

// came returns a person's words for a value that came.
func came(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("boolean `%t`", value)
	case json.Number:
		return fmt.Sprintf("number `%s`", shown(string(value)))
	case string:
		return fmt.Sprintf("string \"%s\"", shown(value))
	case []any:
		return "an array"
	}
	return "an object"
}

// shown cuts a text for a message.
func shown(text string) string {
	const most = 60
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return text
}
