package keynet

import (
	"encoding/json"
	"reflect"
)

// schemaDialect is the JSON Schema that is written.
const schemaDialect = "https://json-schema.org/draft/2020-12/schema"

// schemaText returns the JSON Schema of the parameters; nil where the type describes none.
func (p *parameters) schemaText() []byte {
	if p.root == nil {
		return nil
	}
	schema := structSchema(p.root, []reflect.Type{pointee(p.kind)})
	schema["$schema"] = schemaDialect
	text, err := json.Marshal(schema)
	if err != nil {
		panic(err) // maps of text, which JSON has
	}
	return text
}

func structSchema(fields []field, within []reflect.Type) map[string]any {
	properties := make(map[string]any, len(fields))
	required := []string{}
	for _, field := range fields {
		property := schemaOf(field.kind, within)
		if field.description != "" {
			property["description"] = field.description
		}
		if field.preset != nil {
			property["default"] = field.preset
		}
		if field.allowed != nil {
			property["enum"] = field.allowed
		}
		properties[field.name] = property
		if field.required {
			required = append(required, field.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// schemaOf returns the schema of a type. A type within itself is not described again.
func schemaOf(kind reflect.Type, within []reflect.Type) map[string]any {
	if kind.Kind() == reflect.Pointer {
		schema := schemaOf(kind.Elem(), within)
		if name, ok := schema["type"].(string); ok {
			schema["type"] = []string{name, "null"}
		}
		return schema
	}
	switch {
	case kind == timeType:
		return map[string]any{"type": "string", "format": "date-time"}
	case readsItself(kind):
		return map[string]any{}
	}
	switch kind.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Slice, reflect.Array:
		if kind.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": schemaOf(kind.Elem(), within)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(kind.Elem(), within)}
	case reflect.Struct:
		for _, outer := range within {
			if outer == kind {
				return map[string]any{"type": "object"}
			}
		}
		return structSchema(fieldsOf(kind), append(within[:len(within):len(within)], kind))
	}
	return map[string]any{}
}
