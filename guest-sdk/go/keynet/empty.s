// This file exists so that a function may have its body elsewhere: go:linkname in component.go.
